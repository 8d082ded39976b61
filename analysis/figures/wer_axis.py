"""The axis of error rates in the pictures of a sweep: on a logarithmic one, 0 % has a lane too."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from analysis.evaluation.sweep import Row
from analysis.figures.palette import NEUTRAL, with_alpha

# Steps down from the least WER above 0 to where 0 is drawn, and on to the end of a log axis: in
# decades, and a share of the axis above, so that the labels beside the two never lie on each other.
_LANE_DECADES, _LANE_SHARE = 0.22, 0.08
_LOG_TICKS = tuple(digit * 10.0**power for power in range(-3, 2) for digit in (1, 2, 3, 5))

_FEWEST_TICKS = 3


@dataclass(frozen=True, slots=True)
class WerAxis:
    """The WER axis: from a lane for 0 % to above the largest end of an interval.

    Parameters
    ----------
    low, high : float
        Ends of the axis.
    zero : float
        Where a WER of 0 is drawn: on a logarithmic axis, below all others, in a lane of its own.
    log : bool
    has_lane : bool
        Whether the axis is logarithmic and anything reaches down to 0.
    """

    low: float
    high: float
    zero: float
    log: bool
    has_lane: bool

    @classmethod
    def of(cls, rows: Sequence[Row], log: bool) -> "WerAxis":
        """The axis on which all rows and their intervals lie."""
        rates = [row.evaluation.total.wer for row in rows]
        intervals = [row.evaluation.interval for row in rows]
        ends = [end for interval in intervals for end in (interval.low, interval.high)]
        high = 1.1 * max(*rates, *ends, 0.005)
        if not log:
            return cls(-0.03 * high, high, 0.0, log, False)
        least = min((rate for rate in (*rates, *ends) if rate > 0), default=0.01)
        high = max(high, 2 * least)
        step = 10 ** -max(_LANE_DECADES, _LANE_SHARE * np.log10(high / least))
        if min(*rates, *ends) > 0:
            return cls(step * least, high, least, log, False)
        return cls(step**2 * least, high, step * least, log, True)

    def place(self, wer: float) -> float:
        """Where a WER is drawn."""
        return max(wer, self.zero)

    def share(self, wer: float) -> float:
        """How far up the axis it is drawn, from 0 to 1."""
        scale = np.log10 if self.log else np.asarray
        low, here, high = (float(scale(each)) for each in (self.low, self.place(wer), self.high))
        return (here - low) / (high - low)

    def apply(self, figure: go.Figure) -> None:
        """Set the figure's axis."""
        title = "WER (%); 0 in the grey lane" if self.has_lane else "WER (%)"
        figure.update_yaxes(title_text=title, tickformat="~%")
        if not self.log:
            figure.update_yaxes(range=[self.low, self.high], zeroline=False)
            return
        step = self.zero / self.low
        lowest = self.zero * step**0.75 if self.has_lane else self.zero
        ticks = [tick for tick in _LOG_TICKS if lowest <= tick <= self.high]
        if len(ticks) < _FEWEST_TICKS:
            ticks = _even_ticks(lowest, self.high)
        names = [f"{100 * tick:g}%" for tick in ticks]
        if self.has_lane:
            edge = self.zero * step**0.5  # half-way to the least WER above 0
            figure.add_hrect(
                y0=self.low, y1=edge, fillcolor=with_alpha(NEUTRAL, 0.12), line_width=0
            )
            ticks, names = [self.zero, *ticks], ["0%", *names]
        figure.update_yaxes(
            type="log",
            range=[float(np.log10(self.low)), float(np.log10(self.high))],
            tickvals=ticks,
            ticktext=names,
        )


def _even_ticks(low: float, high: float) -> list[float]:
    """Round numbers in even steps, three to nine, for a logarithmic axis that is a short one."""
    least = (high - low) / 8
    power = 10.0 ** np.floor(np.log10(least))
    step = next(digit * power for digit in (1, 2, 5, 10) if digit * power >= least)
    places = range(int(np.ceil(low / step - 1e-9)), int(np.floor(high / step + 1e-9)) + 1)
    return [float(f"{place * step:.6g}") for place in places]
