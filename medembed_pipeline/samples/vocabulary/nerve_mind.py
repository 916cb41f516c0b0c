"""Nerves and mind: they share headache, dizziness, palpitations and poor sleep."""

from medembed_pipeline.samples.phrasebook import Condition

NERVE_MIND: dict[str, tuple[Condition, ...]] = {
    "Neurology": (
        Condition(
            "migraine with aura",
            ("headache", "visual change", "nausea", "dizziness"),
            (18, 55),
            (
                "zigzag lines spread for {10-40} minutes before it starts",
                "{she} lies in a dark room for {4-30} hours",
                "it throbs on the {side} and moves are unbearable",
            ),
            ("a mother with the same attacks", "car sickness as a child"),
            (
                "cranial nerves two to twelve are intact",
                "the discs are flat and the gait is steady",
                "the diary shows {6-18} days a month",
            ),
            ("sumatriptan {50|100} mg", "topiramate {25|50|100} mg", "propranolol {40|80} mg"),
            ("start a monthly antibody injection", "limit rescue tablets to {8|10} days a month"),
        ),
        Condition(
            "multiple sclerosis",
            ("numbness", "weakness", "visual change", "fatigue", "dizziness"),
            (20, 55),
            (
                "the first spell cleared after {3-8} weeks",
                "bending the neck sends a shock down the spine",
                "a hot bath makes the {side} leg drag",
            ),
            ("optic neuritis in {year}", "oligoclonal bands in the spinal fluid"),
            (
                "reflexes are brisk with an upgoing {side} toe",
                "vibration is reduced at both ankles",
                "tandem walking is unsteady",
            ),
            ("ocrelizumab every six months", "baclofen {10|20} mg", "dimethyl fumarate"),
            ("repeat the scan for new plaques", "give {3|5} days of intravenous steroid"),
        ),
        Condition(
            "Parkinson disease",
            ("weakness", "sleep trouble", "dizziness", "fatigue", "neck pain"),
            (55, 85),
            (
                "handwriting has become small over {1|2|3} years",
                "the {side} hand shakes in the lap",
                "{she} acts out dreams and lost the sense of smell",
            ),
            ("two falls this year", "constipation for a decade"),
            (
                "there is cogwheel rigidity on the {side}",
                "arm swing is reduced and turning takes {4-7} steps",
                "the face shows little movement and blinking is rare",
            ),
            ("levodopa {100|200} mg", "pramipexole {0.25|0.5} mg", "rasagiline 1 mg"),
            ("move the doses closer together", "refer for gait training"),
        ),
        Condition(
            "focal epilepsy",
            ("palpitations", "headache", "dizziness", "sleep trouble", "nausea"),
            (18, 65),
            (
                "a rising feeling is followed by {1|2} minutes of staring",
                "{her} partner saw lip smacking and fumbling",
                "{she} bit the {side} side of the tongue",
            ),
            ("a fever fit in infancy", "a head injury in {year}"),
            (
                "the tracing shows sharp waves over the {side} temporal region",
                "there is no focal deficit between spells",
                "the drug level is {4-12}",
            ),
            ("levetiracetam {500|750|1000} mg twice daily", "lamotrigine {100|150|200} mg"),
            ("no driving for {3|6|12} months", "record overnight with video"),
        ),
        Condition(
            "transient ischemic attack",
            ("weakness", "numbness", "visual change", "dizziness", "headache"),
            (55, 86),
            (
                "words came out wrong for {5-40} minutes",
                "the {side} hand dropped a cup and then recovered",
                "the face drooped at breakfast",
            ),
            ("a carotid narrowing of {50-70} percent", "an earlier small stroke"),
            (
                "speech is fluent today and the drift has gone",
                "the stroke scale is {0|1}",
                "a bruit is heard over the {side} carotid",
            ),
            ("clopidogrel 75 mg", "atorvastatin {40|80} mg"),
            (
                "complete a diffusion scan and vessel study today",
                "continue two antiplatelet agents for {21|30} days",
            ),
            acute=True,
        ),
    ),
    "Psychiatry / Psychology": (
        Condition(
            "major depressive disorder",
            ("fatigue", "sleep trouble", "weight loss", "headache", "weight gain"),
            (18, 78),
            (
                "{she} wakes at {3|4|5} and cannot get back",
                "nothing gives pleasure and {she} has stopped seeing friends",
                "concentration at work has slipped since the {divorce|layoff|funeral}",
            ),
            ("a hospital stay for low mood in {year}", "an aunt who died by suicide"),
            (
                "affect is flat and speech is slow",
                "the questionnaire score is {15-24}",
                "insight is fair and thoughts are linear",
            ),
            ("sertraline {50|100|150} mg", "bupropion {150|300} mg", "weekly talking therapy"),
            (
                "raise the dose and review safety in {1|2} weeks",
                "schedule pleasant activities with the therapist",
            ),
        ),
        Condition(
            "panic disorder",
            ("chest pain", "palpitations", "shortness of breath", "dizziness", "numbness"),
            (18, 55),
            (
                "it peaks in {5-10} minutes with a fear of dying",
                "{she} avoids {bridges|queues|buses|lifts}",
                "{she} has been to the emergency room {2-6} times with normal tests",
            ),
            ("separation fears in school", "heavy coffee use"),
            (
                "{she} is tense and wrings {her} hands",
                "breathing through a straw brought the feeling back",
                "the anxiety scale reads {14-20}",
            ),
            ("escitalopram {5|10|20} mg", "clonazepam {0.25|0.5} mg as needed"),
            ("begin graded exposure", "teach slow breathing and taper the tranquilizer"),
        ),
        Condition(
            "bipolar disorder",
            ("sleep trouble", "weight gain", "fatigue", "palpitations"),
            (20, 60),
            (
                "{she} slept {2|3} hours a night for {5-10} days and felt wonderful",
                "{she} spent {2|4|7} thousand on a card",
                "talk is fast and plans are grand",
            ),
            ("an involuntary admission in {year}", "a brother on lithium"),
            (
                "speech is pressured with flight of ideas",
                "the level is {0.4|0.6|0.8|1.0}",
                "mood is described as on top",
            ),
            ("lithium {300|600|900} mg", "quetiapine {100|200|300} mg", "valproate {500|750} mg"),
            (
                "hand the bank cards to the spouse and review twice weekly",
                "check the drug level in {5|7} days",
            ),
        ),
        Condition(
            "generalized anxiety disorder",
            ("headache", "abdominal pain", "sleep trouble", "neck pain", "fatigue"),
            (18, 70),
            (
                "{she} worries about {bills|the children|work|health} most of the day",
                "the mind will not switch off in bed",
                "muscles stay tight and {she} snaps at family",
            ),
            ("counselling in college", "a perfectionist streak"),
            (
                "{she} is restless with good eye contact",
                "there is no psychosis and judgment is intact",
                "the worry scale fell from {15-20} to {9-13}",
            ),
            ("venlafaxine {75|150} mg", "buspirone {10|15} mg twice daily"),
            ("continue cognitive therapy for {8|12} sessions", "set a daily worry period of {15|20} minutes"),
        ),
        Condition(
            "post-traumatic stress disorder",
            ("sleep trouble", "headache", "chest pain", "palpitations"),
            (20, 68),
            (
                "nightmares of the {crash|fire|assault|deployment} come {3-6} nights a week",
                "sirens make {her2} freeze",
                "{she} sits with {her} back to the wall",
            ),
            ("combat service", "a house break-in in {year}"),
            (
                "{she} startles at the door and is tearful",
                "the checklist total is {42-66}",
                "there is no intent to harm anyone",
            ),
            ("prazosin {1|2|4} mg at bedtime", "paroxetine {20|40} mg"),
            ("start eye movement therapy", "invite the partner to the next session"),
        ),
    ),
}
