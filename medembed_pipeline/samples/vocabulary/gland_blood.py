"""Glands and blood: they share fatigue, change of weight, swelling and palpitations."""

from medembed_pipeline.samples.phrasebook import Condition

GLAND_BLOOD: dict[str, tuple[Condition, ...]] = {
    "Endocrinology": (
        Condition(
            "type 2 diabetes out of control",
            ("fatigue", "weight gain", "visual change", "numbness", "urinary symptoms"),
            (36, 80),
            (
                "morning readings run {180-290}",
                "{she} skips the evening shot {2|3|4} times a week",
                "thirst is back and {she} drinks juice",
            ),
            ("a sensor since {year}", "a mother on insulin"),
            (
                "the A1c is {8.6|9.4|10.2|11.1}",
                "the monofilament is missed at {2-6} of 10 spots",
                "injection sites are lumpy",
            ),
            ("metformin {500|1000} mg", "glargine {18-52} units", "semaglutide weekly"),
            ("raise the basal dose by {2|4} units", "count carbohydrates with the educator"),
        ),
        Condition(
            "Graves disease",
            ("palpitations", "weight loss", "visual change", "fatigue", "neck pain"),
            (22, 62),
            (
                "{she} is hot when others are cold",
                "{her} hands shake and {she} lost {8-20} pounds with a big appetite",
                "eyes feel gritty and stare",
            ),
            ("iodine in {year}", "a cousin with a goiter"),
            (
                "the gland is {2|3} times normal with a bruit",
                "the stimulating hormone is under 0.01",
                "lids lag on looking down",
            ),
            ("methimazole {5|10|20} mg", "atenolol {25|50} mg"),
            ("measure uptake before iodine", "check counts if fever comes"),
        ),
        Condition(
            "hypothyroidism",
            ("fatigue", "weight gain", "swelling", "weakness"),
            (24, 76),
            (
                "{she} is cold in {July|August} and hair breaks",
                "the voice is deep and bowels are slow",
                "the tablet is taken with coffee and calcium",
            ),
            ("half the gland removed in {year}", "peroxidase antibodies"),
            (
                "reflexes hang and skin is doughy",
                "the stimulating hormone is {12-64}",
                "the gland is firm and small",
            ),
            ("levothyroxine {50|75|88|112} micrograms", "no biotin for 3 days before tests"),
            ("add {12.5|25} micrograms and test in {6|8} weeks", "take it {30|60} minutes before food"),
        ),
        Condition(
            "Cushing syndrome",
            ("weight gain", "weakness", "rash", "sleep trouble", "back pain"),
            (25, 60),
            (
                "the face rounded over {1|2} years while arms thinned",
                "{she} bruises from a bump",
                "sugar and pressure both rose",
            ),
            ("a crushed vertebra in {year}", "stubborn pressure on {3|4} tablets"),
            (
                "purple stripes of {1|2} cm are on the flanks",
                "late night saliva cortisol is {3-8} times normal",
                "a hump is seen below the neck",
            ),
            ("ketoconazole 200 mg", "osilodrostat"),
            ("sample the petrosal sinuses", "remove the pituitary source through the nose"),
        ),
        Condition(
            "primary hyperparathyroidism",
            ("fatigue", "abdominal pain", "joint pain", "weakness", "urinary symptoms"),
            (42, 80),
            (
                "a routine test showed high calcium",
                "{she} is forgetful and constipated",
                "{she} passed {1|2|3} stones since {year}",
            ),
            ("a thin forearm on the bone scan", "lithium in the past"),
            (
                "calcium is {10.9|11.3|11.8} with an intact hormone of {88-210}",
                "the spot lights up below the {side} lobe",
                "urine calcium is {260-420}",
            ),
            ("cinacalcet 30 mg", "vitamin D {1000|2000} units"),
            ("send for removal of the adenoma", "repeat bone density in {1|2} years"),
        ),
    ),
    "Hematology - Oncology": (
        Condition(
            "iron deficiency anemia",
            ("fatigue", "shortness of breath", "palpitations", "dizziness", "headache"),
            (20, 82),
            (
                "{she} chews ice by the cup",
                "stairs leave {her2} winded since {spring|autumn|the summer}",
                "tablets upset {her} stomach",
            ),
            ("a donation every {8|12} weeks", "infusions in {year}"),
            (
                "ferritin is {3-11} with a cell size of {64-74}",
                "the smear shows pencil cells",
                "nails are spooned and lids are pale",
            ),
            ("intravenous iron {500|1000} mg", "ferrous sulfate every other day"),
            ("find the source of loss", "recheck counts in {4|6|8} weeks"),
        ),
        Condition(
            "non-Hodgkin lymphoma",
            ("fever", "weight loss", "fatigue", "swelling", "neck pain"),
            (32, 82),
            (
                "{she} soaks the sheets {2-5} nights a week",
                "a lump at the {side} {groin|armpit|collarbone} grew",
                "this is cycle {2|3|4|5} today",
            ),
            ("remission since {year}", "shingles during treatment"),
            (
                "rubbery nodes of {2|3|4} cm are felt",
                "the scan shows uptake above and below the diaphragm",
                "the dehydrogenase is {280-620}",
            ),
            ("rituximab with chemotherapy", "filgrastim for 5 days", "allopurinol 300 mg"),
            ("restage after cycle {2|4}", "hold the infusion if neutrophils stay low"),
        ),
        Condition(
            "metastatic breast cancer",
            ("back pain", "fatigue", "cough", "headache", "joint pain"),
            (36, 80),
            (
                "she finished her {second|third} line last month",
                "the port works well",
                "taste is off and hair is back",
            ),
            ("a lumpectomy and radiation in {year}", "receptors that are positive"),
            (
                "the {side} chest wall scar is smooth",
                "the marker rose from {30-60} to {90-260}",
                "uptake is seen in {2-5} bones and the liver",
            ),
            ("palbociclib {75|100|125} mg", "fulvestrant monthly", "denosumab 120 mg"),
            ("change to the next line", "radiate the sore bone in {1|5} fractions"),
            "female",
        ),
        Condition(
            "multiple myeloma",
            ("back pain", "fatigue", "weakness", "nausea", "fever"),
            (50, 84),
            (
                "a rib broke on a sneeze",
                "{she} had pneumonia twice this winter",
                "numb toes came with cycle {3|4|5}",
            ),
            ("a stem cell transplant in {year}", "a band in the blood for {4-9} years"),
            (
                "the spike is {2.4|3.1|4.2} grams",
                "marrow holds {25-70} percent plasma cells",
                "punched out spots are in the skull",
            ),
            ("lenalidomide {10|15|25} mg", "bortezomib weekly", "dexamethasone {20|40} mg"),
            ("collect stem cells after cycle 4", "give zoledronate every {4|12} weeks"),
        ),
        Condition(
            "chronic lymphocytic leukemia",
            ("fatigue", "weight loss", "fever", "swelling"),
            (54, 88),
            (
                "a routine count found it and nobody treated it for {2-7} years",
                "colds linger for {3|4|5} weeks",
                "{she} feels full after half a meal",
            ),
            ("a deletion on testing", "an unvaccinated winter"),
            (
                "white cells are {48-160} thousand with smudge cells",
                "the spleen tip is {3-7} cm down",
                "nodes of {1|2} cm are on both sides",
            ),
            ("ibrutinib {280|420} mg", "venetoclax in weekly steps"),
            ("watch and count every {3|4} months", "guard against tumor lysis in the first week"),
        ),
    ),
}
