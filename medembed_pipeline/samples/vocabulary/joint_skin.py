"""Inflamed joints and skin: they share rash, swelling, joint pain and fever."""

from medembed_pipeline.samples.phrasebook import Condition

JOINT_SKIN: dict[str, tuple[Condition, ...]] = {
    "Rheumatology": (
        Condition(
            "rheumatoid arthritis",
            ("joint pain", "fatigue", "swelling", "weakness", "neck pain"),
            (28, 74),
            (
                "stiffness lasts {1|2|3} hours after waking",
                "rings no longer fit and jars stay closed",
                "both hands flared after a missed infusion",
            ),
            ("positive citrulline antibodies", "nodules at the elbows"),
            (
                "there is boggy synovitis of the {second and third|third and fourth} knuckles",
                "the activity score is {3.4|4.1|4.8|5.3}",
                "the sedimentation rate is {38-84}",
            ),
            ("methotrexate {10|15|20} mg weekly with folate", "etanercept weekly", "prednisone {5|7.5} mg"),
            ("add a biologic after a tuberculosis test", "check blood counts every {8|12} weeks"),
        ),
        Condition(
            "systemic lupus erythematosus",
            ("joint pain", "rash", "fatigue", "chest pain", "fever"),
            (18, 55),
            (
                "sun brings out the cheeks within a day",
                "hair comes out in the shower",
                "fingers turn white in the cold",
            ),
            ("two lost pregnancies", "fluid around the heart in {year}"),
            (
                "the double stranded antibody is {80-340} with low complement",
                "there are painless palate ulcers",
                "small joints are tender without deformity",
            ),
            ("hydroxychloroquine {200|400} mg", "mycophenolate {500|1000} mg", "belimumab"),
            ("check the urine for protein each visit", "ask for a yearly retina test"),
        ),
        Condition(
            "polymyalgia rheumatica",
            ("neck pain", "weakness", "headache", "fatigue", "weight loss"),
            (58, 86),
            (
                "both shoulders and hips locked over {1|2|3} weeks",
                "getting out of a chair needs the arms",
                "steroid worked within {1|2} days",
            ),
            ("a relapse when tapering in {year}", "a tender scalp last winter"),
            (
                "shoulder lift is limited by stiffness and not by power",
                "the C-reactive protein is {32-90}",
                "the temporal pulses are full",
            ),
            ("prednisone {10|12.5|15} mg", "alendronate 70 mg weekly"),
            ("taper by {1|2.5} mg each month", "biopsy the temporal artery if the jaw tires"),
        ),
        Condition(
            "gout",
            ("joint pain", "swelling", "fever"),
            (38, 80),
            (
                "it woke {her2} at {2|3|4} with a {side} big toe on fire",
                "beer and steak came the night before",
                "attacks come {3-7} times a year",
            ),
            ("a uric acid of {8|9|10}", "water tablets started in {year}"),
            (
                "a red hot first toe is seen on the {side}",
                "needle shaped crystals were in the fluid",
                "a chalky lump is felt on the ear",
            ),
            ("colchicine 0.6 mg", "allopurinol {100|200|300} mg", "indomethacin {25|50} mg"),
            ("lower the urate below {5|6}", "continue flare cover for {3|6} months"),
            acute=True,
        ),
        Condition(
            "ankylosing spondylitis",
            ("back pain", "joint pain", "fatigue", "visual change", "sleep trouble"),
            (18, 48),
            (
                "it eases with movement and is worst before dawn",
                "buttocks ache in turn",
                "a heel has been sore for {4-12} months",
            ),
            ("iritis in {year}", "a positive B27 test"),
            (
                "the spine flexes only {2|3} cm on the tape",
                "chest expansion is {2|3} cm",
                "films show fused sacroiliac joints",
            ),
            ("adalimumab every two weeks", "celecoxib {200|400} mg", "secukinumab monthly"),
            ("measure the spine again in {4|6} months", "switch to another biologic"),
        ),
    ),
    "Dermatology": (
        Condition(
            "plaque psoriasis",
            ("rash", "joint pain", "sleep trouble"),
            (20, 72),
            (
                "silver flakes fall on dark clothes",
                "elbows and scalp cleared on the beach",
                "it cracks on the {side} palm",
            ),
            ("pitted nails", "light treatment in {year}"),
            (
                "well marked scaly plaques cover {6-24} percent",
                "pinpoint bleeding shows under the scale",
                "the fold behind the {side} ear is involved",
            ),
            ("clobetasol ointment", "calcipotriene foam", "ixekizumab"),
            ("give narrow band light {2|3} times a week", "step up to an injection"),
        ),
        Condition(
            "malignant melanoma",
            ("rash", "bleeding", "weight loss"),
            (32, 82),
            (
                "a mole on the {side} {calf|shoulder|flank} grew over {3-9} months",
                "it has two colors and caught on a towel",
                "{she} used tanning beds at {17-24}",
            ),
            ("{2-6} blistering burns in youth", "a grandfather with a mole removed"),
            (
                "a {7-14} mm patch with a notched edge is seen",
                "the dermatoscope shows a blue white veil",
                "no in transit bumps are felt",
            ),
            ("sunscreen factor {30|50}", "a wound dressing"),
            ("widen the margin to {1|2} cm", "map every mole with photographs"),
        ),
        Condition(
            "atopic dermatitis",
            ("rash", "sleep trouble", "swelling"),
            (18, 55),
            (
                "the bends of the elbows itch until they bleed",
                "wool and {sweat|soap|chlorine} make it worse",
                "creams sting on the {side} hand",
            ),
            ("hay fever", "staph infections in {year}"),
            (
                "lichenified patches are seen in the folds",
                "there are scratch marks and golden crusts",
                "the severity index is {14-32}",
            ),
            ("tacrolimus ointment", "dupilumab every two weeks", "triamcinolone cream"),
            ("wrap wet dressings for {3|5} nights", "bathe in dilute bleach {2|3} times a week"),
        ),
        Condition(
            "basal cell carcinoma",
            ("bleeding", "rash"),
            (48, 88),
            (
                "a spot on the {side} {nose|temple|ear} scabs and never heals",
                "shaving nicks it",
                "{she} {sailed|farmed|fished} without a hat",
            ),
            ("{2-5} similar spots removed", "fair skin with freckles"),
            (
                "a pearly {4-11} mm papule with fine vessels is seen",
                "the center is ulcerated",
                "sun damage covers the scalp",
            ),
            ("imiquimod cream", "petrolatum under a bandage"),
            ("remove it in layers with margin control", "freeze {3-8} rough spots today"),
        ),
        Condition(
            "cellulitis",
            ("rash", "swelling", "fever"),
            (30, 84),
            (
                "redness on the {side} shin climbs {2-6} cm a day",
                "it began at a crack between the toes",
                "{she} shivered for a night",
            ),
            ("athlete's foot", "leg ulcers in {year}"),
            (
                "a warm edge was drawn with a pen",
                "there is no crepitus or blister",
                "scaling is seen in the toe webs",
            ),
            ("cephalexin 500 mg", "terbinafine cream", "doxycycline 100 mg"),
            ("keep the leg up and look again in {2|3} days", "treat the web spaces for {2|4} weeks"),
            acute=True,
        ),
    ),
}
