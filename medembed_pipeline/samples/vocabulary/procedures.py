"""Procedures: one title serves several specialties, which differ in what they do with it."""

from medembed_pipeline.samples.phrasebook import Report

HEART = ("Cardiovascular / Pulmonary",)
GUT = ("Gastroenterology",)
BONE = ("Orthopedic",)
WATER = ("Urology",)
WOMB = ("Obstetrics / Gynecology",)
BLOOD = ("Hematology - Oncology",)

PROCEDURES: tuple[Report, ...] = (
    Report(
        "Upper endoscopy",
        GUT,
        "abdominal pain",
        "peptic ulcer",
        (
            "the scope was passed to the second part of the duodenum",
            "a {6-15} mm ulcer with a clean base was seen",
            "{4-6} biopsies were taken from the antrum",
            "the Z line was at {37-41} cm",
        ),
    ),
    Report(
        "Upper endoscopy",
        ("ENT - Otolaryngology",),
        "hoarseness",
        "a lesion of the {side} vocal cord",
        (
            "the laryngoscope was suspended",
            "a {3-7} mm polyp was lifted and cut at its base",
            "the jet tube was changed at {10-25} minutes",
            "both pyriform recesses were clear",
        ),
    ),
    Report(
        "Cystoscopy",
        WATER,
        "bleeding",
        "a bladder tumor",
        (
            "a {22|24} French sheath was placed",
            "a {10-30} mm frond by the {side} orifice was resected",
            "muscle was sampled",
            "a catheter drained clear fluid at {5-15} minutes",
        ),
    ),
    Report(
        "Cystoscopy",
        WOMB,
        "pelvic pain",
        "prolapse repaired with a sling",
        (
            "both jets were seen after dye",
            "the mesh lay {10-20} mm below the mid urethra",
            "the front wall was folded in {two|three} layers",
            "{40-150} mL of blood was lost",
        ),
        (36, 78),
        "female",
    ),
    Report(
        "Arthroscopy",
        BONE,
        "joint pain",
        "a torn meniscus",
        (
            "two portals were made beside the {side} patellar tendon",
            "a {8-20} mm flap was trimmed",
            "cartilage was grade {2|3} on the medial condyle",
            "the tourniquet was up {18-46} minutes",
        ),
    ),
    Report(
        "Nerve block under fluoroscopy",
        ("Pain Management",),
        "back pain",
        "radicular pain",
        (
            "a {22|25} gauge needle reached the {side} foramen",
            "{1|2} mL of contrast outlined the root",
            "steroid of {40|80} mg was given",
            "the score fell from {7-9} to {1-3}",
        ),
    ),
    Report(
        "Left heart catheterization",
        HEART,
        "chest pain",
        "coronary disease",
        (
            "the {side} radial artery was entered with a {5|6} French sheath",
            "a {70-95} percent lesion of the middle segment was crossed",
            "a {18-32} mm stent was expanded",
            "{80-190} mL of contrast was used",
        ),
    ),
    Report(
        "Lens replacement",
        ("Ophthalmology",),
        "visual change",
        "cataract",
        (
            "a {2.2|2.4|2.8} mm corneal cut was made on the {side}",
            "the capsule was opened in a 5 mm circle",
            "the nucleus was cracked in {two|four}",
            "a lens of {18-24} diopters was placed",
        ),
    ),
    Report(
        "Excision of a skin lesion",
        ("Dermatology",),
        "rash",
        "carcinoma of the skin",
        (
            "a margin of {3-6} mm was drawn on the {side} cheek",
            "{1|2|3} stages were needed",
            "a flap of {14-30} mm closed it",
            "{5-9} nylon stitches were placed",
        ),
    ),
    Report(
        "Bone marrow biopsy",
        BLOOD,
        "fatigue",
        "a plasma cell disorder",
        (
            "the {side} iliac crest was numbed with {5-10} mL",
            "a core of {12-22} mm was taken",
            "spicules were seen on the smear",
            "pressure was held {5-10} minutes",
        ),
    ),
    Report(
        "Biopsy under ultrasound",
        ("Nephrology",),
        "swelling",
        "heavy proteinuria",
        (
            "the lower pole of the {side} kidney was marked",
            "{two|three} passes gave {8-18} glomeruli",
            "a {5-15} mm bruise was seen after",
            "pressure stayed below {140|150}",
        ),
    ),
    Report(
        "Biopsy under ultrasound",
        ("Endocrinology",),
        "neck pain",
        "a thyroid nodule",
        (
            "a {11-34} mm nodule of the {side} lobe was aimed at",
            "{three|four|five} passes were made with a fine needle",
            "cells were adequate on site",
            "no hematoma formed in {10|15} minutes",
        ),
    ),
)
