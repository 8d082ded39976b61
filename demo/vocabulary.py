"""Words of the open sentences: names, nouns, verbs and the like, each in one small class.

The classes follow what a word can do in a sentence (a person can speak, a thing can be carried), so
that :mod:`demo.open_sentences` makes sentences of them that are grammatical and mostly sensible.
"""

from __future__ import annotations


def _words(text: str) -> tuple[str, ...]:
    """Split a list of words; an underscore stands for a space inside one entry."""
    return tuple(word.replace("_", " ") for word in text.split())


WOMEN = _words("""
Abigail Ada Agnes Alice Amelia Anita Astrid Beatrice Bridget Camille Cecily Charlotte Clara
Constance Cordelia Daphne Deborah Dorothy Edith Eleanor Elsie Emily Esther Eva Fatima Fiona Flora
Frances Georgina Grace Harriet Hazel Helena Ingrid Irene Ivy Jane Josephine Judith Julia Kavita
Laura Leila Lucy Lydia Mabel Margaret Marianne Matilda Maya Meredith Miriam Nadia Naomi Nora Olive
Penelope Phoebe Priya Rachel Rebecca Rosalind Ruth Sabina Sarah Sophia Susannah Sylvia Tabitha
Theresa Ursula Valerie Victoria Winifred Yasmin Yvonne Zoe
""")

MEN = _words("""
Adam Albert Alexander Ambrose Andrew Arthur Basil Benedict Bernard Callum Cedric Charles
Christopher Clarence Clement Cyril Daniel Dennis Desmond Edgar Edmund Edward Elias Ernest Felix
Francis Frederick Gareth Geoffrey George Gilbert Godfrey Graham Gregory Harold Henry Hugh Humphrey
Ibrahim Isaac Jacob James Jasper Jonathan Joseph Julian Kenneth Lawrence Leonard Lewis Luke Malcolm
Marcus Matthew Maurice Miles Nathaniel Neville Nicholas Oliver Omar Oscar Owen Patrick Percy Philip
Quentin Rajesh Ralph Reginald Richard Robert Roderick Rupert Samuel Sebastian Silas Simon Stephen
Theodore Thomas Tobias Victor Vincent Walter William Yusuf
""")

SURNAMES = _words("""
Abernathy Aldridge Ashworth Barlow Beaumont Blackwood Bradshaw Brennan Caldwell Carmichael Chadwick
Cholmondeley Cromwell Dalrymple Davenport Delaney Donnelly Ellsworth Fairfax Farnsworth Fitzgerald
Fletcher Gallagher Garfield Goodwin Grimshaw Hargreaves Hathaway Hawthorne Holloway Huxley Iverson
Jennings Kavanagh Kowalski Langley Lockwood MacGregor Marlowe Mendoza Merriweather Montgomery
Nakamura Nightingale Okonkwo Ormsby Pemberton Pettigrew Prescott Quigley Radcliffe Rasmussen
Redmond Rothwell Sanderson Savage Sheridan Singleton Somerset Stanhope Sutherland Thackeray
Thornton Trevelyan Underwood Vaughan Venables Wakefield Wentworth Whitaker Winthrop Woolworth
Yardley
""")

TOWNS = _words("""
Aberdeen Amsterdam Athens Baltimore Barcelona Belfast Bergen Birmingham Bombay Boston Brighton
Brussels Budapest Cairo Calcutta Canterbury Cardiff Chester Chicago Copenhagen Damascus Denver
Dover Dublin Edinburgh Exeter Florence Geneva Glasgow Hamburg Helsinki Istanbul Jerusalem
Johannesburg Kingston Lagos Lisbon Liverpool London Manchester Melbourne Montreal Moscow Nairobi
Naples Norwich Oxford Paris Philadelphia Plymouth Portsmouth Prague Quebec Rotterdam Salisbury
Seville Shanghai Sheffield Singapore Stockholm Sydney Toronto Valencia Venice Vienna Warsaw
Wellington Winchester York Zurich
""")

COUNTRIES = _words("""
Argentina Australia Austria Belgium Brazil Canada Chile Denmark Egypt England Ethiopia Finland
France Germany Greece Hungary Iceland India Ireland Italy Japan Kenya Mexico Morocco New_Zealand
Nigeria Norway Pakistan Peru Poland Portugal Russia Scotland South_Africa Spain Sweden Switzerland
Turkey Vietnam Wales
""")

PEOPLE = _words("""
accountant actress admiral ambassador apprentice archaeologist architect artist astronomer attorney
aunt baker banker barber beggar bishop blacksmith bookseller botanist butcher butler captain
carpenter chemist child clerk cobbler colonel conductor cook cousin critic dancer daughter dentist
detective doctor driver duchess economist editor electrician emperor engineer farmer ferryman
fisherman florist foreman gardener general geologist girl governess governor grandfather
grandmother grocer guard guide historian housekeeper hunter innkeeper inspector interpreter
inventor janitor jeweller journalist judge landlady landlord lawyer lecturer librarian lieutenant
magician magistrate maid mathematician mayor mechanic merchant messenger midwife miller miner
minister monk mother musician neighbour nephew niece nurse officer orphan painter pharmacist
philosopher physician physicist pianist pilgrim pilot plumber poet policeman porter prince prisoner
professor programmer publisher queen referee sailor schoolmaster sculptor secretary senator
sergeant servant shepherd shopkeeper singer soldier squire stepmother stranger student surgeon
surveyor tailor teacher thief traveller treasurer tutor uncle veterinarian vicar visitor waiter
watchmaker weaver widow witness young_man young_woman youth zoologist
""")

THINGS = _words("""
album almanac anchor antenna apron armchair axe bandage banner barrel basket battery bell bicycle
blanket blueprint boiler book bottle bouquet bowl box bracelet brass_key bridge broom bucket bundle
cable camera candle canvas carpet cart chain chair chart chessboard chest cigar clock cloak coat
coffee_pot coin compass computer contract cradle crown cup curtain dagger desk diamond diary
dictionary document door drawer drum easel engine envelope fan fence fiddle flag flute folder fork
fountain_pen frying_pan furnace gate generator glass glove guitar hammer handkerchief harness hat
helmet hinge horn hourglass iron_bar jacket jar jewel kettle knife ladder lamp lantern ledger lens
letter lever locket loom lute magnet manuscript map mask mattress medal microphone microscope
mirror motor mug necklace needle net newspaper notebook oar oven paddle painting pamphlet parcel
passport pencil pendulum perfume photograph piano pillow pipe plate plough portrait postcard prism
pulley pump purse quilt radio rake receipt rifle ring robe rope rudder saddle sandwich saw scale
scarf screen screwdriver sculpture shawl shelf shield ship shoe shovel sieve sketch spade spoon
stove suitcase sword table tablet tapestry teapot telegram telephone telescope tent thermometer
ticket toolbox torch towel toy tray trumpet trunk turbine typewriter umbrella uniform valve vase
violin waistcoat wallet wardrobe watch wheel wheelbarrow whistle window wreath
""")

PLACES = _words("""
abbey airport alley archway arena attic avenue bakery balcony ballroom barn barracks bay beach
bridge cabin canal castle cathedral cave cellar cemetery chapel cliff clearing coast college
corridor cottage courthouse courtyard crossroads desert dock embassy factory farmyard ferry field
forest fortress fountain gallery garden garret glacier gorge granary greenhouse gymnasium hall
harbour hill hospital hotel inn island jetty kitchen laboratory lagoon lake lane library lighthouse
loft mansion marketplace marsh meadow mill mine monastery moor mountain museum nursery observatory
orchard palace parlour passage pasture pavilion peninsula pier plain platform port prairie prison
quarry quay ranch reef reservoir ridge river road ruin school seaside shop shore shrine square
stable stadium staircase station stream studio summit swamp tavern temple terrace theatre tower
town_hall tunnel university valley veranda vestry village vineyard warehouse waterfall wharf wood
workshop yard
""")

ANIMALS = _words("""
badger bear beetle blackbird bull butterfly calf camel cat cow crow deer dog donkey dragonfly duck
eagle elephant falcon fox frog goat goose hare hawk hedgehog heron horse hound jackdaw kitten lamb
lion lizard magpie mare mole mouse mule nightingale otter owl ox parrot peacock pheasant pig pigeon
pony puppy rabbit raven robin rooster salmon seagull sheep snail snake sparrow spider squirrel
stallion stork swallow swan thrush tiger toad tortoise trout turkey whale wolf woodpecker wren
""")

ABSTRACT = _words("""
accident advice affection agreement ambition anger argument authority beauty bravery business
calculation caution chance charity comfort confidence conscience courage cruelty curiosity danger
debate debt decision despair dignity discipline discovery disease distrust duty education effort
enthusiasm envy error evidence experience failure faith fame fashion fate fear folly fortune
freedom friendship generosity genius gratitude greed grief happiness haste honesty honour hope
hospitality humility humour hunger idleness ignorance imagination independence influence innocence
intuition jealousy journey joy judgement justice kindness knowledge laughter leisure liberty logic
loneliness loyalty luck luxury malice marriage memory mercy mischief misfortune modesty mystery
obedience opinion passion patience peace pity pleasure poverty power prejudice pride progress
promise prosperity prudence punishment quarrel reason regret religion remorse reputation revenge
rumour sacrifice scandal silence sincerity sorrow strategy success superstition suspicion sympathy
temper theory thought tradition tragedy treason trust truth vanity virtue weakness wealth wisdom
wonder wrath youth zeal
""")

SUBSTANCES = _words("""
amber barley brandy bread bronze butter charcoal cheese chocolate cider clay coal cocoa coffee
copper corn cotton flour glass gold gravel honey ink iron ivory jam leather lemonade linen marble
mercury milk moss mud mustard nickel oil paint paper pepper plaster porridge rice rubber rust salt
sand silk silver smoke snow soap soup steel straw sugar sulphur tea timber tin tobacco vinegar
water wax wheat wine wool
""")

SCIENCE = _words("""
acceleration algorithm antibody atom axis bacterium carbon catalyst cell chromosome circuit climate
comet compound conductor crystal current density diffusion electron element emission enzyme
equation equilibrium erosion evaporation fossil frequency friction galaxy gene gravity hydrogen
hypothesis inertia instrument isotope laser magnetism membrane metabolism mineral molecule momentum
nebula nerve neuron nucleus orbit organism oxygen parasite particle planet pressure protein
radiation reaction receptor satellite sediment species spectrum temperature tissue vaccine vapour
variable velocity vibration virus voltage wavelength
""")

POLITICS = _words("""
alliance amendment assembly budget cabinet campaign ceasefire census coalition commission committee
congress constitution council currency deficit delegation department election embargo government
inquiry investment majority ministry monarchy negotiation opposition parliament party pension
petition policy proposal protest railway referendum reform regulation republic resolution revenue
revolution senate strike subsidy summit tariff tax treasury treaty tribunal union vote
""")

ADJECTIVES = _words("""
abandoned abrupt absurd ancient anxious awkward beautiful bitter black blue bold brave brief bright
broad broken brown calm careful careless cheap cheerful clean clever clumsy cold common comfortable
complicated cool crimson crooked cruel curious damp dangerous dark dazzling dear deep delicate
dense dirty distant dreadful dreary dry dull dusty eager early elegant empty enormous exact
expensive extraordinary faded faint faithful famous favourite fierce fine firm flat foreign fragile
frail fresh gentle ghostly gigantic gloomy golden graceful grand grave great green grey handsome
harsh heavy hollow honest humble icy idle immense important innocent invisible irregular jolly kind
large lazy light little lively lonely long loose lovely low lucky magnificent marvellous melancholy
mild miserable modern modest mysterious narrow neat nervous new noble noisy obscure odd old
ordinary pale patient peaceful peculiar pleasant plain polite poor precious pretty private proud
prudent pure quaint quick quiet ragged rare rash remarkable respectable rich rough round royal rude
rusty sacred sad scarlet secret sensible serious shabby shallow sharp silent silver simple slender
slight slow small smooth sober soft solemn solitary splendid stern stiff strange strong stubborn
sudden sullen sunny superb sweet swift tall tame tender terrible thick thin thoughtful tidy timid
tiny tired tranquil tremendous ugly unexpected unhappy unusual useful vague vast venerable vigorous
violent warm weak weary white wicked wide wild wise wonderful wooden worthy yellow young
""")

ADVERBS = _words("""
abruptly anxiously at_last awkwardly bitterly boldly bravely briefly calmly carefully carelessly
cautiously cheerfully closely coldly curiously desperately eagerly earnestly easily faintly
faithfully fiercely firmly frankly furiously gently gladly gracefully gradually gravely greedily
happily hastily heartily heavily honestly hurriedly impatiently in_silence indignantly innocently
joyfully kindly lazily loudly mechanically merrily modestly nervously nobly once_more openly
patiently peacefully politely promptly proudly quickly quietly rapidly reluctantly roughly sadly
secretly seriously sharply silently slowly smoothly softly solemnly steadily sternly stubbornly
suddenly swiftly tenderly thoroughly thoughtfully timidly unexpectedly violently warmly wearily
wisely without_a_word
""")

# A verb is its base form, or base/past/participle where these are not regular.
HANDLING = _words("""
abandon admire adjust arrange begin/began/begun bless borrow break/broke/broken
bring/brought/brought build/built/built burn bury buy/bought/bought carry catch/caught/caught
choose/chose/chosen clean clutch collect conceal cover crush deliver demolish describe destroy
discover display drag/dragged/dragged drop/dropped/dropped draw/drew/drawn empty examine exchange
fasten fetch find/found/found fold forget/forgot/forgotten gather grasp hang/hung/hung
hide/hid/hidden hold/held/held imagine inherit inspect invent keep/kept/kept
label/labelled/labelled lift lock lose/lost/lost lower measure mend mention notice offer open order
paint pawn place polish possess preserve produce protect purchase push raise recognise recover
remember remove repair replace restore ruin search sell/sold/sold seize shake/shook/shaken sharpen
shatter sketch smash snatch spoil steal/stole/stolen study take/took/taken tear/tore/torn
throw/threw/thrown touch trace treasure unlock unwrap use value want wash weigh wipe
wrap/wrapped/wrapped wreck
""")

TREATING = _words("""
accompany accuse admire advise amuse annoy answer applaud arrest assist astonish avoid betray blame
bless bother bribe challenge comfort congratulate console consult deceive defend despise disappoint
dismiss disturb embarrass embrace encourage entertain envy escort fear fight/fought/fought flatter
follow forgive/forgave/forgiven frighten greet guide hate help hire imitate insult interrogate
interrupt invite join know/knew/known love marry meet/met/met miss mock nurse obey offend
overhear/overheard/overheard pardon persecute persuade pity praise please protect provoke punish
pursue question reassure recognise recommend rescue respect reward ridicule salute scold serve
shelter slander summon support surprise suspect teach/taught/taught tempt thank threaten tolerate
trust understand/understood/understood visit warn watch welcome
""")

MOVING = _words("""
ascend climb come/came/come crawl creep/crept/crept dance dart depart descend drift
drive/drove/driven fall/fell/fallen flee/fled/fled float fly/flew/flown gallop go/went/gone hasten
hurry jump leap/leapt/leapt march pass pause plunge proceed race return ride/rode/ridden roam row
run/ran/run rush sail sink/sank/sunk slide/slid/slid slip/slipped/slipped stagger stand/stood/stood
step/stepped/stepped stray stroll stumble swim/swam/swum tiptoe travel/travelled/travelled tremble
trot/trotted/trotted tumble turn vanish wade wait walk wander
""")

BEING = _words("""
arrive awake/awoke/awoken blush breathe complain cough despair die/died/died disappear doubt dream
faint frown gasp giggle grow_old/grew_old/grown_old grumble hesitate hope kneel/knelt/knelt laugh
lie_still/lay_still/lain_still listen nod/nodded/nodded obey pray protest recover rejoice relax
remain rest retire rise/rose/risen shiver shrug/shrugged/shrugged sigh sing/sang/sung
sit_down/sat_down/sat_down sleep/slept/slept smile sneeze sob/sobbed/sobbed speak/spoke/spoken
stammer starve succeed suffer surrender talk think/thought/thought wake/woke/woken weep/wept/wept
whistle work worry yawn yield
""")

SAYING = _words("""
answered asked begged bellowed cried declared exclaimed explained groaned growled inquired insisted
interrupted laughed murmured muttered observed pleaded protested remarked repeated replied returned
said shouted sighed snapped stammered suggested whispered wondered
""")

HAPPENING = _words("""
appeared began collapsed came_to_an_end changed crumbled decayed disappeared dissolved emerged
expanded exploded faded failed floated_away froze glittered grew_larger improved leaked melted
moved opened overflowed remained rolled_away rusted sank shone shrank slid_aside snapped spread
survived trembled turned_pale twisted vanished vibrated was_forgotten was_lost
""")

PREPOSITIONS = _words("""
above across along around at_the_edge_of before behind below beneath beside beyond by close_to
far_from in_front_of inside near not_far_from on_the_way_to opposite outside past through toward
under within_sight_of
""")

MONTHS = _words("""
January February March April May June July August September October November December
""")
DAYS = _words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
UNITS = _words("""
miles yards feet inches pounds ounces gallons degrees metres kilometres kilograms litres acres
hours minutes seconds days weeks months years percent volts watts
""")
LETTERS = _words("B_B_C F_B_I U_N N_H_S X_ray D_N_A T_V V_I_P C_E_O P_D_F G_P_S U_S_B M_P A_T_M")
