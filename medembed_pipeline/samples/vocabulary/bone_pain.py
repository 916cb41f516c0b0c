"""Bones and pain: they share back and joint pain, numbness and weakness."""

from medembed_pipeline.samples.phrasebook import Condition

BONE_PAIN: dict[str, tuple[Condition, ...]] = {
    "Orthopedic": (
        Condition(
            "osteoarthritis of the knee",
            ("joint pain", "swelling", "weakness"),
            (52, 84),
            (
                "stairs are taken one at a time",
                "the {side} one grinds and gives way",
                "a shot lasted {6-14} weeks",
            ),
            ("a torn meniscus trimmed in {year}", "{20-35} years of {roofing|farm work|floor laying}"),
            (
                "there is a varus thrust and a range of {5|10} to {95-115} degrees",
                "films show bone on bone medially",
                "crepitus is felt under the kneecap",
            ),
            ("a hyaluronate injection", "an unloader brace", "meloxicam {7.5|15} mg"),
            ("plan total replacement on the {side}", "continue quadriceps exercises"),
        ),
        Condition(
            "rotator cuff tear",
            ("joint pain", "neck pain", "weakness", "sleep trouble"),
            (38, 76),
            (
                "{she} cannot reach the top shelf",
                "lying on the {side} wakes {her2}",
                "it popped while {throwing|lifting a crate|pulling a starter cord}",
            ),
            ("a dislocation in {year}", "overhead work as a painter"),
            (
                "the drop arm sign is positive on the {side}",
                "strength in external rotation is {3|4} of 5",
                "active elevation stops at {70-110} degrees",
            ),
            ("a subacromial injection", "a sling at night"),
            ("repair it through the scope", "start {6|8} weeks of therapy"),
        ),
        Condition(
            "lumbar disc herniation",
            ("back pain", "numbness", "weakness"),
            (25, 62),
            (
                "it shoots below the {side} knee when {she} coughs",
                "sitting beyond {10-30} minutes is impossible",
                "it began lifting a {dryer|sack of feed|engine block}",
            ),
            ("a microdiscectomy in {year}", "a job driving trucks"),
            (
                "straight leg raising is positive at {30-50} degrees",
                "the great toe is weak on the {side}",
                "the ankle jerk is missing on the {side}",
            ),
            ("a short course of oral steroid", "naproxen {250|500} mg"),
            ("offer decompression if the foot weakens", "begin extension exercises"),
        ),
        Condition(
            "fracture of the distal radius",
            ("joint pain", "swelling", "numbness"),
            (40, 84),
            (
                "{she} slipped on {ice|a wet step|a rug} with the {side} hand out",
                "fingers tingled for {1|2} days",
                "the splint feels tight",
            ),
            ("thin bones on a scan", "an ankle plate in {year}"),
            (
                "there is a dinner fork deformity",
                "films show {15-30} degrees of dorsal tilt",
                "the median nerve works and capillary refill is brisk",
            ),
            ("a sugar tong splint", "acetaminophen with codeine"),
            ("fix it with a volar plate", "change to a cast at {2|3} weeks"),
            acute=True,
        ),
        Condition(
            "hip fracture",
            ("joint pain", "weakness"),
            (66, 94),
            (
                "{she} tripped {on the curb|in the bathroom|over the cat} and could not get up",
                "the groin hurts on any roll",
                "{she} walked with a cane before",
            ),
            ("a vertebral crush in {year}", "years without any calcium"),
            (
                "the {side} leg is short and turned out",
                "films show a displaced femoral neck break",
                "pulses in the foot are good",
            ),
            ("a femoral nerve block", "heparin until surgery"),
            ("proceed to hemiarthroplasty within {24|36} hours", "stand with the therapist on day {1|2}"),
            acute=True,
        ),
    ),
    "Pain Management": (
        Condition(
            "failed back surgery syndrome",
            ("back pain", "numbness", "sleep trouble", "weakness"),
            (35, 72),
            (
                "it burns to the {side} calf since the fusion",
                "relief from the last block was {40-70} percent for {3-9} weeks",
                "{she} rates the worst day {7-9} out of 10",
            ),
            ("a fusion of two levels in {year}", "a signed opioid agreement"),
            (
                "there is allodynia over the scar",
                "the pill count is correct and the drug screen is as expected",
                "extension loads the facets and reproduces it",
            ),
            ("extended release morphine {15|30} mg", "pregabalin {75|150} mg", "a lidocaine patch"),
            ("trial a spinal cord stimulator", "repeat the caudal epidural"),
        ),
        Condition(
            "complex regional pain syndrome",
            ("joint pain", "swelling", "numbness", "sleep trouble", "rash"),
            (25, 62),
            (
                "a bed sheet touching the {side} hand is agony",
                "it turns {blue|red|mottled} and sweats",
                "it spread after a {sprain|cast|crush} {3-10} months ago",
            ),
            ("mirror therapy", "{2-5} sympathetic blocks since {year}"),
            (
                "the {side} limb is {2|3|4} degrees cooler",
                "nails are ridged and hair is coarse",
                "light brushing is painful well beyond one nerve",
            ),
            ("gabapentin {300|600|800} mg", "low dose ketamine", "nortriptyline {10|25} mg"),
            ("perform a stellate ganglion block", "desensitize with graded textures"),
        ),
        Condition(
            "lumbar facet syndrome",
            ("back pain", "joint pain", "sleep trouble"),
            (40, 78),
            (
                "it aches beside the spine and eases on leaning forward",
                "the test block gave {80|90} percent for {4-8} hours",
                "turning in bed is worst",
            ),
            ("radiofrequency lesioning in {year}", "long hours at a desk"),
            (
                "loading the {side} facets is painful",
                "paraspinal trigger points are tender",
                "straight leg raising is normal",
            ),
            ("tizanidine {2|4} mg", "topical diclofenac"),
            ("burn the medial branches at {two|three} levels", "space the blocks {2|4} weeks apart"),
        ),
        Condition(
            "postherpetic neuralgia",
            ("chest pain", "back pain", "rash", "sleep trouble"),
            (60, 88),
            (
                "a strip around the {side} ribs has stabbed for {4-14} months",
                "a shirt rubbing is unbearable",
                "blisters had been there first",
            ),
            ("shingles in {year}", "no vaccine for it"),
            (
                "faint scars lie along one dermatome",
                "pin is dulled while brushing hurts",
                "the numeric score is {6-9}",
            ),
            ("a capsaicin patch", "gabapentin {300|600} mg", "amitriptyline {10|25} mg"),
            ("give an intercostal block series", "titrate the nerve tablet every {3|5} days"),
        ),
        Condition(
            "cervicogenic headache",
            ("headache", "neck pain", "dizziness", "sleep trouble"),
            (28, 68),
            (
                "it climbs from the {side} neck to behind the brow",
                "looking over a shoulder starts it",
                "an occipital block gave {3-8} weeks of peace",
            ),
            ("a whiplash in {year}", "{2|3} sets of trigger point shots"),
            (
                "the upper facets are tender on the {side}",
                "rotation is limited to {30-50} degrees",
                "pressing the occipital notch reproduces it",
            ),
            ("cyclobenzaprine {5|10} mg", "a tens unit"),
            ("repeat the third occipital nerve block", "lower the opioid by {10|20} percent a month"),
        ),
    ),
}
