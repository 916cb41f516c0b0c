"""Heart and lung, gut, and allergy: they share chest pain, breathlessness, cough and heartburn."""

from medembed_pipeline.samples.phrasebook import Condition

HEART_LUNG_GUT: dict[str, tuple[Condition, ...]] = {
    "Cardiovascular / Pulmonary": (
        Condition(
            "stable angina",
            ("chest pain", "shortness of breath", "fatigue"),
            (48, 84),
            (
                "it comes on after {1|2|3} flights of stairs and settles within {3-10} minutes of stopping",
                "{she} notices a tight band across the front when carrying shopping in the cold",
                "one tablet under the tongue takes it away",
            ),
            (
                "a stent to the {right coronary|circumflex|left anterior descending} artery in {year}",
                "a father who died of a heart attack at {48-62}",
            ),
            (
                "the tracing shows {0.5|1|1.5} mm of ST depression in the lateral leads",
                "the treadmill test was stopped at {4-9} minutes",
                "the ejection fraction is {48-62} percent",
            ),
            ("isosorbide mononitrate {30|60} mg", "metoprolol {25|50|100} mg", "nitroglycerin as needed"),
            ("arrange coronary angiography", "repeat the stress echocardiogram in {3|6} months"),
        ),
        Condition(
            "atrial fibrillation",
            ("palpitations", "dizziness", "fatigue", "shortness of breath"),
            (50, 88),
            (
                "the fluttering starts suddenly and lasts {10-50} minutes",
                "{her} watch recorded an irregular rate of {120-165}",
                "a cardioversion held for {2-9} months",
            ),
            ("an ablation in {year}", "mild mitral regurgitation"),
            (
                "the pulse is irregularly irregular",
                "the left atrium measures {42-55} mm",
                "the monitor shows pauses of {2|2.5|3} seconds overnight",
            ),
            ("apixaban {2.5|5} mg twice daily", "diltiazem {120|180|240} mg", "amiodarone {100|200} mg"),
            ("continue anticoagulation and check the rate at rest", "refer for pulmonary vein isolation"),
        ),
        Condition(
            "congestive heart failure",
            ("shortness of breath", "swelling", "fatigue", "weight gain"),
            (55, 90),
            (
                "{she} sleeps on {2|3|4} pillows and wakes gasping",
                "shoes feel tight by the evening",
                "{she} stopped weighing {herself} and ate salted food over the holiday",
            ),
            ("an implanted defibrillator in {year}", "an old anterior infarction"),
            (
                "the neck veins are raised to {8-13} cm",
                "there are fine crackles at both bases and a third heart sound",
                "the natriuretic peptide came back at {620-2400}",
            ),
            (
                "carvedilol {6.25|12.5|25} mg twice daily",
                "sacubitril with valsartan",
                "furosemide {40|80} mg",
            ),
            (
                "double the water tablet for {3|5} days",
                "repeat the echocardiogram before the defibrillator check",
            ),
        ),
        Condition(
            "chronic obstructive pulmonary disease",
            ("cough", "shortness of breath", "chest pain", "weight loss"),
            (52, 86),
            (
                "{she} brings up {clear|yellow|grey} phlegm each morning",
                "{she} can walk {50-200} yards on the flat",
                "two courses of steroids were needed this winter",
            ),
            ("{30-70} pack years of smoking", "oxygen at night since {year}"),
            (
                "breath sounds are distant with a prolonged expiratory phase",
                "the forced expiratory volume is {32-58} percent of predicted",
                "the chest is barrel shaped",
            ),
            ("tiotropium once daily", "salmeterol with fluticasone", "home nebulizer treatments"),
            ("enrol in pulmonary rehabilitation", "repeat spirometry after a course of prednisone"),
        ),
        Condition(
            "pulmonary embolism",
            ("chest pain", "shortness of breath", "swelling", "palpitations"),
            (30, 80),
            (
                "it is sharp and worse on a deep breath",
                "{she} had flown for {7-14} hours the week before",
                "the {side} calf had been sore for {2-6} days",
            ),
            ("a clot in the leg in {year}", "a recent plaster cast"),
            (
                "the oxygen saturation is {86-92} percent on room air",
                "the angiogram shows a filling defect in the {side} lower lobe branch",
                "the right ventricle is mildly dilated",
            ),
            ("rivaroxaban {15|20} mg", "enoxaparin injections"),
            ("keep the blood thinner going for {3|6} months", "check a duplex scan of the legs"),
            acute=True,
        ),
    ),
    "Gastroenterology": (
        Condition(
            "gastroesophageal reflux disease",
            ("chest pain", "cough", "abdominal pain", "sleep trouble"),
            (25, 75),
            (
                "it burns up behind the breastbone after {coffee|wine|a late supper}",
                "{she} wakes with a sour taste",
                "bending to tie shoes brings it on, walking does not",
            ),
            ("a hiatal hernia of {2|3|4} cm", "an earlier dilatation of a ring"),
            (
                "the epigastrium is mildly tender",
                "endoscopy showed erosions in the lower {2-6} cm of the gullet",
                "the acid exposure time was {7-15} percent",
            ),
            ("omeprazole {20|40} mg before breakfast", "famotidine at night", "antacid liquid"),
            (
                "raise the head of the bed and stop eating {3|4} hours before lying down",
                "repeat the upper endoscopy",
            ),
        ),
        Condition(
            "Crohn disease",
            ("abdominal pain", "weight loss", "joint pain", "fatigue", "fever"),
            (18, 60),
            (
                "{she} opens the bowels {5-11} times a day",
                "cramps follow meals and wake {her2} at night",
                "mouth ulcers come with each flare",
            ),
            ("an ileal resection in {year}", "a perianal abscess drained in {year}"),
            (
                "there is a tender fullness in the right lower quadrant",
                "the calprotectin is {380-1500}",
                "the scope showed deep ulcers in the terminal ileum",
            ),
            ("adalimumab every {1|2} weeks", "budesonide {3|9} mg", "azathioprine {50|100|150} mg"),
            ("check drug levels before the next injection", "book an enterography"),
        ),
        Condition(
            "peptic ulcer disease",
            ("abdominal pain", "bleeding", "nausea", "chest pain", "fatigue"),
            (35, 82),
            (
                "hunger makes it worse and a snack eases it",
                "stools were black and sticky for {2-5} days",
                "{she} takes {ibuprofen|naproxen|aspirin} daily for aches",
            ),
            ("an earlier Helicobacter infection", "a transfusion of {2|3} units in {year}"),
            (
                "there is epigastric tenderness without guarding",
                "the stool tests positive for blood",
                "a clean based crater of {6-15} mm was seen in the duodenal bulb",
            ),
            ("pantoprazole {40|80} mg", "sucralfate four times daily"),
            (
                "stop the pain relievers and give eradication treatment for {10|14} days",
                "look again with the scope in {6|8} weeks",
            ),
        ),
        Condition(
            "cirrhosis of the liver",
            ("swelling", "fatigue", "bleeding", "weight gain", "rash"),
            (40, 75),
            (
                "{her} belly has grown and the belt needs {2|3} more holes",
                "{she} naps all day and mixes up dates",
                "itching keeps {her2} awake",
            ),
            ("{15-30} years of daily spirits", "hepatitis C treated in {year}"),
            (
                "there is shifting dullness and a palpable spleen tip",
                "spider angiomata are seen on the upper chest",
                "the platelet count is {58-110} with a bilirubin of {2-6}",
            ),
            ("lactulose to {2|3} soft stools a day", "spironolactone {50|100} mg", "nadolol {20|40} mg"),
            ("tap the fluid and send it for cell count", "screen for varices"),
        ),
        Condition(
            "gallstone disease",
            ("abdominal pain", "nausea", "chest pain", "back pain", "fever"),
            (30, 76),
            (
                "it comes {1|2|3} hours after fried food and goes through to the shoulder blade",
                "attacks last {2-6} hours",
                "urine turned dark after the last attack",
            ),
            ("a mother and sister with stones", "rapid weight loss after a diet"),
            (
                "breathing in halts when the right upper quadrant is pressed",
                "the common duct measures {7-12} mm",
                "the alkaline phosphatase is {180-420}",
            ),
            ("ursodiol {300|600} mg", "ondansetron as needed"),
            ("proceed to a cholangiogram through the scope", "ask about taking the gallbladder out"),
        ),
    ),
    "Allergy / Immunology": (
        Condition(
            "allergic asthma",
            ("cough", "shortness of breath", "chest pain", "sleep trouble"),
            (18, 60),
            (
                "it whistles at night and near {cats|horses|cut grass|dusty rooms}",
                "{she} uses the rescue inhaler {2-6} times a week",
                "cold air and laughing set it off",
            ),
            ("eczema as a child", "a brother with hay fever"),
            (
                "there is a scattered wheeze on forced expiration",
                "the exhaled nitric oxide is {42-95}",
                "skin pricks are positive to {dust mite|cat dander|ragweed|birch}",
            ),
            ("budesonide with formoterol", "montelukast 10 mg", "omalizumab every {2|4} weeks"),
            (
                "start immunotherapy after the pollen season",
                "cover the mattress and review the inhaler technique",
            ),
        ),
        Condition(
            "allergic rhinitis",
            ("nasal blockage", "headache", "cough", "sleep trouble", "visual change"),
            (18, 58),
            (
                "{she} sneezes {8-20} times on waking and the eyes itch",
                "it is worst in {April|May|August|September}",
                "a nasal rinse helps for an hour",
            ),
            ("seasonal hay fever since school", "a reaction to {walnut|shrimp|peach}"),
            (
                "the turbinates are pale and boggy",
                "there are dark rings below the eyes",
                "specific antibodies to {timothy|oak|mold} are class {3|4|5}",
            ),
            ("fluticasone spray", "cetirizine 10 mg", "azelastine spray"),
            ("offer drops under the tongue for {3|5} years", "keep windows shut during the pollen peak"),
        ),
        Condition(
            "chronic urticaria",
            ("rash", "swelling", "sleep trouble"),
            (18, 65),
            (
                "welts move about and fade within {6-20} hours",
                "lips swelled {2|3|4} times without any food in common",
                "tight straps and hot showers raise wheals",
            ),
            ("thyroid antibodies", "an emergency visit for throat tightness in {year}"),
            (
                "raised wheals are present on the {trunk|thighs|forearms}",
                "stroking the skin raises a line",
                "the weekly activity score is {18-38}",
            ),
            ("fexofenadine {180|360} mg", "hydroxyzine at night", "an epinephrine pen"),
            ("quadruple the antihistamine before adding the injection", "keep a diary with photographs"),
        ),
        Condition(
            "anaphylaxis to insect sting",
            ("dizziness", "rash", "shortness of breath", "swelling"),
            (20, 70),
            (
                "a {wasp|hornet|yellow jacket} got {her2} on the {side} hand",
                "within {5-20} minutes the throat closed",
                "{she} passed out briefly in the garden",
            ),
            ("bee keeping as a hobby", "a large local reaction in {year}"),
            (
                "the tryptase was {18-45} at the time",
                "venom tests are positive at {0.01|0.1} microgram",
                "the skin is clear today",
            ),
            ("two epinephrine pens", "prednisone 40 mg for 3 days"),
            ("begin venom desensitization", "teach the use of the pen and order a bracelet"),
            acute=True,
        ),
        Condition(
            "common variable immunodeficiency",
            ("cough", "fever", "fatigue", "weight loss"),
            (22, 60),
            (
                "this is the {third|fourth|fifth} chest infection in a year",
                "sinuses never clear for long",
                "shingles came twice before the age of {30|40}",
            ),
            ("repeated pneumonia", "an uncle with low antibodies"),
            (
                "the immunoglobulin G is {180-420}",
                "there was no response to the pneumococcal vaccine",
                "the spleen is felt {2|3} cm below the ribs",
            ),
            ("weekly subcutaneous immunoglobulin", "azithromycin three times a week"),
            ("raise the antibody dose to reach a trough of {700|800}", "avoid live vaccines"),
        ),
    ),
}
