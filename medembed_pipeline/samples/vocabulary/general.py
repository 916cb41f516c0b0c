"""Sentences that every specialty uses: openings, living conditions, normal findings, closings."""

# A past illness, its medicine, and the age in years from which it is plausible.
COMORBIDITIES: tuple[tuple[str, str, int], ...] = (
    ("hypertension", "lisinopril {5|10|20|40} mg", 40),
    ("high cholesterol", "rosuvastatin {5|10|20} mg", 38),
    ("diet-controlled diabetes", "a fish oil capsule", 40),
    ("mild asthma", "albuterol as needed", 18),
    ("an underactive thyroid", "levothyroxine {25|50|75} micrograms", 30),
    ("migraine in the past", "rest in a dark room", 18),
    ("a kidney stone years ago", "potassium citrate", 28),
    ("reflux", "omeprazole {10|20} mg", 25),
    ("worn knees", "acetaminophen {500|650} mg", 50),
    ("seasonal allergies", "loratadine 10 mg", 18),
    ("low mood after a loss", "citalopram {10|20} mg", 20),
    ("early cataracts", "lubricating drops", 60),
    ("a heart murmur since childhood", "a baby aspirin", 18),
    ("eczema of the hands", "hydrocortisone cream", 18),
    ("borderline anemia", "a multivitamin", 18),
    ("thin bones", "calcium with vitamin D", 55),
    ("a treated skin cancer", "sunscreen", 50),
    ("a slipped disc years ago", "a home exercise sheet", 30),
    ("sinus trouble", "a saline spray", 18),
    ("gout once", "allopurinol 100 mg", 40),
    ("restless legs", "evening walks", 35),
    ("a remote appendectomy", "a probiotic", 18),
    ("bladder infections", "cranberry tablets", 20),
    ("tension headache", "acetaminophen as needed", 18),
)

OPENINGS: tuple[str, ...] = (
    "this is a {age}-year-old {woman} who {comes in|is seen|returns|presents} with {complaint} for {span}",
    "{she} is a {age}-year-old {retired|working|right-handed|left-handed|married|single} {woman} "
    "with {complaint} of {span}",
    "a {age}-year-old {woman} was {referred|sent|brought} "
    "by {the family doctor|a daughter|a walk-in clinic|a friend} because of {complaint}",
    "the patient is {age} years old and {complains of|reports|mentions|describes} {complaint} "
    "for the past {span}",
    "we saw this {pleasant|cheerful|tired looking|well known} {age}-year-old {woman} {again|today} "
    "about {complaint}, present for {span}",
)

SOCIAL: tuple[str, ...] = (
    "{she} lives with {a spouse|two cats|a son|a sister|three children} in a {house|flat|trailer|farmhouse}",
    "{she} works as a {teacher|driver|cook|clerk|welder|librarian|cleaner|bookkeeper|guard}",
    "{she} {does not smoke|quit smoking} and drinks {no alcohol|beer at weekends|wine rarely}",
    "{she} gave the history and seems reliable",
    "the history comes from {the patient|a daughter|the spouse|an interpreter} and the chart",
    "{she} rates it {3-8} out of 10 and it {comes and goes|is there most of the day|has built up|varies}",
    "it {is a little worse|is about the same|is perhaps better} since {Monday|the weekend|the last call}",
    "{she} tried {rest|tea|a heating pad|a pharmacy tablet|a cousin's tablet} with {little|some|no} effect",
    "{she} has missed {1-9} days of {work|church|exercise class} because of it",
    "{she} was last seen here {2-11} {weeks|months} ago",
    "appetite is {fair|good|poor} and weight has been steady within {2-5} pounds",
    "{she} came {by bus|by car|on foot|by taxi} and waited {10-50} minutes",
    "there has been no recent travel to {Mexico|Asia|the coast|the mountains}",
    "tests done {elsewhere|last year|at another hospital} are not at hand",
    "{she} is {anxious about|not much bothered by|fed up with} it",
)

NORMAL_EXAM: tuple[str, ...] = (
    "{she} is alert and in no distress",
    "the lungs are clear",
    "heart sounds are regular without murmur",
    "the abdomen is soft and nontender",
    "the neck is supple",
    "pupils are equal and react to light",
    "there is no edema",
    "the skin is warm and dry",
    "gait is steady",
    "cranial nerves are grossly intact",
    "the oropharynx is clear",
    "pulses are {2|3}+ and equal",
    "bowel sounds are present",
    "strength is 5 of 5 throughout",
    "there is no lymph node enlargement",
    "the affect is pleasant",
    "joints move fully",
    "the {side} ear is clear",
    "reflexes are {1|2}+ and equal",
    "mucous membranes are moist",
)

CLOSINGS: tuple[str, ...] = (
    "{she} will return in {1-12} {weeks|months}",
    "all questions were answered and {she} agrees",
    "{she} is to call if it gets worse",
    "a total of {15-60} minutes were spent, half of it talking",
    "a handout was given",
    "the {daughter|spouse|son|neighbor} was told by telephone",
    "the risks and choices were gone over",
    "a copy goes to the family doctor",
    "blood was drawn on the way out",
    "refills for {30|60|90} days were sent",
    "{she} will keep a diary until then",
    "we will call with results in {2-9} days",
    "{she} wants to think it over for {2-9} days",
)

STUDY_NOTES: tuple[str, ...] = (
    "{two|three|four|five|six} views were stored",
    "the study is compared with one of {year}",
    "motion blurs {a few|some|half of the} images",
    "{she} lay still for {4-35} minutes",
    "the study was read at {1-11}:{10-59} in the {morning|afternoon|evening}",
    "quality is {fair|good|limited} because of {body size|motion|bowel gas|a short breath hold}",
    "the request was {urgent|routine} and {two|three} prior visits are on file",
    "{12-480} images were sent to the archive",
    "the result was telephoned at {1-11}:{10-59}",
    "{she} was {told of the result|asked to wait|sent home} after {5-40} minutes",
    "the technician was number {2-40}",
    "scanner {1-6} was used in room {1-9}",
)

PROCEDURE_NOTES: tuple[str, ...] = (
    "consent was signed and a pause was made to check name and side",
    "{she} was placed {as usual|with care|with padded arms} after {5-30} minutes of preparation",
    "{local|general|light} anesthesia was used",
    "{she} had fasted for {6-12} hours",
    "oxygen was given at {2-6} liters",
    "blood loss was under {5-30} mL",
    "equipment was counted {twice|three times}",
    "{she} went to recovery awake at {1-11}:{10-59}",
    "room {1-9} was used with {two|three} assistants",
    "the whole took {15-95} minutes",
    "pulse stayed between {52-66} and {70-98}",
    "{she} was given {1|2|3} mg of midazolam",
)

IDENTIFIERS: tuple[str, ...] = (
    "call back number 555-01{10-99}",
    "MRN: 000{10000-99999}",
    "dictated on {10-12}/{10-28}/20{10-23}",
    "seen on 0{1-9}/{10-28}/20{10-23}, MRN 000{10000-99999}",
    "fax 202-555-01{10-99}",
    "e-mail sample.person{10-99}@example.org",
)
