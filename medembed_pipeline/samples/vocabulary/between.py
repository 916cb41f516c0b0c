"""Conditions that two specialties own together: a note about one is filed under both."""

from medembed_pipeline.samples.phrasebook import Condition

BETWEEN: tuple[tuple[tuple[str, str], Condition], ...] = (
    (
        ("Endocrinology", "Nephrology"),
        Condition(
            "diabetic nephropathy",
            ("swelling", "fatigue", "weight gain", "numbness"),
            (40, 80),
            (
                "sugars run {160-260} and the urine foams",
                "ankles swell although insulin was cut twice",
                "a low of {48-62} came after breakfast was skipped",
            ),
            ("{12-28} years of diabetes", "laser to the eyes in {year}"),
            (
                "albumin in the urine is {420-2600}",
                "the A1c is {7.9|8.8|9.6} and creatinine {1.7|2.1|2.6}",
                "the foot pulses are weak",
            ),
            ("losartan {50|100} mg", "glargine {14-40} units", "empagliflozin 10 mg"),
            (
                "hold metformin if the filtration rate falls below 30",
                "see the dietitian for sugar and potassium",
            ),
        ),
    ),
    (
        ("Endocrinology", "Ophthalmology"),
        Condition(
            "diabetic retinopathy",
            ("visual change", "headache"),
            (35, 78),
            (
                "sight dims and clears with the sugar",
                "strings float across the {side}",
                "{she} missed two yearly eye checks",
            ),
            ("an A1c above {9|10} for years", "laser spots in {year}"),
            (
                "dot hemorrhages and hard exudates are seen",
                "acuity is 20/{40|60|80}",
                "the last A1c was {8.8|9.9|11.2}",
            ),
            ("bevacizumab injection", "glargine {20-50} units", "metformin {500|1000} mg"),
            ("lower the sugar slowly over {3|6} months", "treat the leaking spots with laser"),
        ),
    ),
    (
        ("Endocrinology", "Ophthalmology"),
        Condition(
            "thyroid eye disease",
            ("visual change", "headache", "palpitations"),
            (28, 66),
            (
                "lids pulled back and print doubled over {3-9} weeks",
                "{she} smokes {5-20} a day and the gland was treated",
                "eyes water in the wind",
            ),
            ("iodine in {year}", "a goiter"),
            (
                "bulging measures {21-26} mm",
                "up gaze is limited on the {side}",
                "receptor antibodies are {6-28}",
            ),
            ("selenium 100 micrograms", "methylprednisolone weekly", "methimazole {5|10} mg"),
            ("decompress the orbit if color fades", "keep the hormone steady with tests every {4|6} weeks"),
        ),
    ),
    (
        ("Cardiovascular / Pulmonary", "Nephrology"),
        Condition(
            "cardiorenal syndrome",
            ("shortness of breath", "swelling", "fatigue"),
            (55, 88),
            (
                "the water tablet was doubled and the creatinine rose",
                "{she} sleeps in a chair",
                "urine is scant although the weight is up {6-14} pounds",
            ),
            ("an ejection fraction of {20-35} percent", "creatinine of {1.6|1.9|2.3} at best"),
            (
                "neck veins are raised to the jaw",
                "creatinine is {2.4|2.9|3.3} with sodium of {126-133}",
                "the kidneys look normal in size",
            ),
            ("a furosemide drip", "hydralazine with nitrate", "carvedilol {6.25|12.5} mg"),
            ("try ultrafiltration for {24|48} hours", "repeat the echocardiogram"),
        ),
    ),
    (
        ("Cardiovascular / Pulmonary", "Allergy / Immunology"),
        Condition(
            "eosinophilic asthma",
            ("cough", "shortness of breath", "chest pain"),
            (25, 66),
            (
                "{she} took prednisone {3-6} times this year",
                "plugs of mucus come up at night",
                "aspirin once closed the chest",
            ),
            ("polyps", "a night in intensive care in {year}"),
            (
                "eosinophils are {480-1400}",
                "the expired volume is {48-66} percent and rises with albuterol",
                "there is a polyphonic wheeze",
            ),
            ("mepolizumab monthly", "fluticasone with vilanterol", "tiotropium mist"),
            ("repeat lung function after {3|4} doses", "test for mold and dust mite"),
        ),
    ),
    (
        ("Gastroenterology", "Hematology - Oncology"),
        Condition(
            "carcinoma of the colon",
            ("bleeding", "fatigue", "abdominal pain", "weight loss"),
            (45, 86),
            (
                "stool turned thin over {2-5} months",
                "the port is accessed for cycle {2-9}",
                "cold drinks sting the fingers",
            ),
            ("a father with polyps", "a segment removed in {year}"),
            (
                "a ring shaped mass was seen at {25-70} cm",
                "the antigen is {8-66}",
                "hemoglobin is {8.4|9.2|10.1}",
            ),
            ("oxaliplatin every two weeks", "capecitabine {1000|1500} mg", "iron infusions"),
            ("scope the rest of the bowel", "restage after cycle {4|6}"),
        ),
    ),
    (
        ("Neurology", "Pain Management"),
        Condition(
            "trigeminal neuralgia",
            ("headache", "numbness", "sleep trouble"),
            (42, 80),
            (
                "brushing teeth fires a jolt along the {side} jaw",
                "bursts last {5-40} seconds, {10-60} a day",
                "wind on the cheek is enough",
            ),
            ("a nerve block in {year}", "a vessel loop on a scan"),
            (
                "touching the {side} lip sets off a spasm",
                "the corneal reflex is kept",
                "the score in a burst is 10",
            ),
            ("carbamazepine {200|400} mg", "oxcarbazepine {300|600} mg", "baclofen 10 mg"),
            ("heat the ganglion with radiofrequency", "check sodium in {2|4} weeks"),
        ),
    ),
    (
        ("Orthopedic", "Pain Management"),
        Condition(
            "lumbar spinal stenosis",
            ("back pain", "numbness", "weakness"),
            (56, 86),
            (
                "legs grow heavy after {100-400} yards and a shopping cart helps",
                "{she} sleeps curled up",
                "{2|3} epidurals each bought {4-10} weeks",
            ),
            ("a slip of one vertebra", "a laminectomy in {year}"),
            (
                "extension brings leg tingling",
                "the canal is {6|7|8} mm",
                "pedal pulses are full and strength is {4|5} of 5",
            ),
            ("gabapentin {300|600} mg", "celecoxib 200 mg", "tramadol 50 mg"),
            ("repeat the interlaminar injection", "decompress {two|three} levels"),
        ),
    ),
    (
        ("Orthopedic", "Rheumatology"),
        Condition(
            "inflammatory arthritis with a failing joint replacement",
            ("joint pain", "swelling", "weakness"),
            (48, 80),
            (
                "the {side} knee loosened {6-14} years after it was put in",
                "morning stiffness of an hour came back",
                "biologic shots were held for dental work",
            ),
            ("nodules", "a hip done in {year}"),
            (
                "films show a line around the stem",
                "the sedimentation rate is {30-70}",
                "wrists are thick and warm",
            ),
            ("leflunomide {10|20} mg", "prednisone 5 mg", "a hinged brace"),
            ("aspirate before revision", "restart the biologic {2|4} weeks after surgery"),
        ),
    ),
    (
        ("Rheumatology", "Dermatology"),
        Condition(
            "psoriatic arthritis",
            ("joint pain", "rash", "swelling", "back pain"),
            (25, 66),
            (
                "one whole finger swelled like a sausage",
                "scale on the scalp and stiffness come together",
                "{she} cannot grip a pan for {1|2} hours",
            ),
            ("pitted nails", "an uncle with flaky elbows"),
            (
                "plaques cover {4-14} percent and three joints are tender",
                "films show pencil in cup change",
                "the {side} heel cord is thick",
            ),
            ("ixekizumab monthly", "methotrexate {15|20} mg weekly", "clobetasol foam"),
            ("count joints and skin area in {8|12} weeks", "switch to a blocker of another pathway"),
        ),
    ),
    (
        ("ENT - Otolaryngology", "Allergy / Immunology"),
        Condition(
            "allergic fungal sinusitis",
            ("nasal blockage", "headache", "cough"),
            (20, 58),
            (
                "peanut butter like mucus was blown out",
                "smell comes back only on steroids",
                "sneezing is year round",
            ),
            ("polyps cleared in {year}", "positive skin tests to mold"),
            ("polyps fill the {side} nose", "total IgE is {800-2600}", "the scan shows bright mixed density"),
            ("budesonide rinses", "dupilumab every two weeks", "prednisone {20|30} mg"),
            ("clear the sinuses and begin mold shots", "follow IgE every {6|8} weeks"),
        ),
    ),
    (
        ("Urology", "Obstetrics / Gynecology"),
        Condition(
            "stress incontinence with prolapse",
            ("urinary symptoms", "pelvic pain", "back pain"),
            (36, 80),
            (
                "she leaks on a cough and feels a bulge",
                "{2|3|4} pads a day are wet",
                "a finger is needed to empty the bladder",
            ),
            ("{2|3|4} vaginal births", "a hysterectomy in {year}"),
            (
                "the front wall reaches {1|2} cm beyond the ring",
                "a cough shows a jet",
                "the residual is {60-160} mL",
            ),
            ("estrogen cream", "a ring pessary"),
            ("combine a sling with repair", "train the floor muscles for {8|12} weeks"),
            "female",
        ),
    ),
    (
        ("Neurology", "Ophthalmology"),
        Condition(
            "idiopathic intracranial hypertension",
            ("headache", "visual change", "neck pain", "nausea"),
            (18, 44),
            (
                "sight greys out for seconds on standing",
                "a pulse is heard in the {side} ear",
                "{she} gained {20-50} pounds in a year",
            ),
            ("acne treated with a tetracycline", "a tap in {year}"),
            (
                "both discs are swollen grade {2|3}",
                "opening pressure was {28-42} cm",
                "fields show large blind spots",
            ),
            ("acetazolamide {500|1000} mg", "topiramate {50|100} mg"),
            ("repeat fields in {2|4} weeks", "slit the nerve sheath if vision drops"),
        ),
    ),
    (
        ("Neurology", "Psychiatry / Psychology"),
        Condition(
            "dementia with behavioral disturbance",
            ("sleep trouble", "weight loss", "weakness"),
            (66, 92),
            (
                "{she} accuses the daughter of stealing",
                "{she} paces at dusk and got lost {2|3} streets away",
                "bills have gone unpaid for {6-14} months",
            ),
            ("a slow decline since {year}", "a low mood spell"),
            (
                "the memory test is {11-22} of 30",
                "affect shifts from tearful to cross",
                "grasp and snout signs are present",
            ),
            ("donepezil {5|10} mg", "quetiapine {12.5|25} mg", "memantine 10 mg"),
            ("stop the sleeping tablet and test B12", "teach the family to redirect"),
        ),
    ),
)
