"""Eye and ear, nose and throat: they share headache, dizziness and nausea."""

from medembed_pipeline.samples.phrasebook import Condition

EYE_EAR: dict[str, tuple[Condition, ...]] = {
    "Ophthalmology": (
        Condition(
            "acute angle closure",
            ("headache", "visual change", "nausea"),
            (50, 82),
            (
                "it started in a dark {theater|restaurant|garage} around the {side} brow",
                "halos were seen about lamps",
                "{she} vomited {2|3|4} times",
            ),
            ("long-standing hyperopia", "a sister who had laser holes"),
            (
                "the {side} pupil is mid dilated and fixed",
                "pressure is {44-62} on the {side} and {14-20} on the {other}",
                "the cornea is hazy with a shallow chamber",
            ),
            ("timolol drops", "acetazolamide {250|500} mg", "pilocarpine {1|2} percent"),
            ("perform a peripheral iridotomy on both sides", "recheck the pressure in {1|2} hours"),
            acute=True,
        ),
        Condition(
            "age-related macular degeneration",
            ("visual change", "headache"),
            (65, 92),
            (
                "door frames look bent on the {side}",
                "faces have a smudge in the middle",
                "{she} needs brighter light to read",
            ),
            ("{20-40} pack years of smoking", "{3-9} injections since {year}"),
            (
                "acuity is 20/{60|80|100|200} on the {side}",
                "soft drusen and a small hemorrhage lie under the fovea",
                "the thickness map shows fluid of {40-180} microns",
            ),
            ("aflibercept injection", "antioxidant vitamins with zinc"),
            ("repeat the injection in {4|6|8} weeks", "hand out a grid for daily checks"),
        ),
        Condition(
            "retinal detachment",
            ("visual change", "dizziness"),
            (40, 78),
            (
                "a shower of specks and flashes came first",
                "a grey curtain rose from the {nasal|lower|upper} side",
                "{she} lifted heavy boxes {2-5} days ago",
            ),
            ("high myopia", "cataract removal in {year}"),
            (
                "a horseshoe tear is seen at {1|2|10|11} o'clock",
                "the macula is still attached",
                "pigment cells float in the vitreous",
            ),
            ("prednisolone drops", "atropine 1 percent drops"),
            ("proceed to vitrectomy with gas", "keep the head {face down|on one side} for {5|7} days"),
            acute=True,
        ),
        Condition(
            "open angle glaucoma",
            ("visual change", "headache", "dizziness"),
            (50, 86),
            (
                "{she} clips the {side} door mirror when parking",
                "drops sting and are missed {1|2|3} times a week",
                "{she} has no idea when it began",
            ),
            ("a parent who went blind", "thin corneas of {480-520} microns"),
            (
                "the cup is {0.7|0.8|0.9} with a notch below",
                "pressures are {22-29} and {21-28}",
                "the field shows an arcuate loss on the {side}",
            ),
            ("latanoprost at night", "brimonidine twice daily", "dorzolamide drops"),
            ("offer laser to the drainage angle", "repeat the field in {3|4|6} months"),
        ),
        Condition(
            "cataract",
            ("visual change", "headache"),
            (58, 90),
            (
                "oncoming lights scatter at night",
                "reading glasses changed {2|3} times in a year",
                "colors look brown on the {side}",
            ),
            ("years of steroid tablets", "an implant on the {other} in {year}"),
            (
                "there is {2|3}+ nuclear sclerosis",
                "glare brings acuity to 20/{70|100|200}",
                "the dilated fundus is healthy",
            ),
            ("artificial tears", "an antibiotic drop before surgery"),
            ("measure for a lens implant", "plan phacoemulsification of the {side}"),
        ),
    ),
    "ENT - Otolaryngology": (
        Condition(
            "chronic sinusitis",
            ("headache", "nasal blockage", "cough", "fever", "dizziness"),
            (20, 68),
            (
                "pressure sits over the cheeks and worsens on leaning forward",
                "{she} cannot smell coffee",
                "thick {green|yellow} drip runs down the throat",
            ),
            ("polyps removed in {year}", "a deviated septum"),
            (
                "pus is seen in the {side} middle meatus",
                "the scope shows swollen polyps",
                "the cheek is tender to tapping",
            ),
            ("saline washes", "amoxicillin with clavulanate", "mometasone spray"),
            ("open the sinuses endoscopically", "culture the discharge before the next antibiotic"),
        ),
        Condition(
            "Meniere disease",
            ("dizziness", "nausea", "hearing loss", "headache"),
            (30, 68),
            (
                "the room spins for {1-6} hours with a full {side} ear",
                "a low roar comes before each attack",
                "{she} holds on to furniture and vomits",
            ),
            ("a salty diet", "two attacks in {year}"),
            (
                "the audiogram shows a low tone loss of {30-55} decibels",
                "nystagmus beats to the {side}",
                "both drums are intact and mobile",
            ),
            ("betahistine {16|24} mg", "meclizine {12.5|25} mg", "a thiazide tablet"),
            ("inject steroid through the drum", "hold salt to {1500|2000} mg a day"),
        ),
        Condition(
            "obstructive sleep apnea",
            ("sleep trouble", "fatigue", "headache", "nasal blockage", "weight gain"),
            (32, 70),
            (
                "the spouse hears pauses and snorts",
                "{she} nodded off at {a red light|a meeting|the cinema}",
                "mouth is dry each morning",
            ),
            ("tonsils still in place", "a broken nose in {year}"),
            (
                "the palate is low and the neck is {41-48} cm",
                "the index is {18-62} events an hour",
                "the tongue base fills the airway on the scope",
            ),
            ("a mask with pressure of {8-14} cm", "nasal steroid spray"),
            ("refit the mask and look at palate surgery", "try an implant of the tongue nerve"),
        ),
        Condition(
            "laryngeal polyp",
            ("cough", "neck pain", "hoarseness"),
            (28, 74),
            (
                "the voice breaks when {teaching|singing|preaching|calling the dogs}",
                "{she} clears the throat all day",
                "it has been rough for {6-20} weeks",
            ),
            ("{10-35} pack years of smoking", "an earlier intubation"),
            (
                "the mirror shows a {3-7} mm lesion on the {side} cord",
                "both cords move well",
                "no nodes are felt along the neck",
            ),
            ("voice rest", "a lozenge without menthol"),
            ("excise it under the microscope", "see the speech therapist for {4|6} sessions"),
        ),
        Condition(
            "chronic otitis media",
            ("hearing loss", "dizziness", "headache", "fever"),
            (18, 66),
            (
                "the {side} ear runs after swimming",
                "there is a smell and dull ache behind it",
                "{she} turns up the television",
            ),
            ("tubes in childhood", "a mastoid operation in {year}"),
            (
                "there is a {20-50} percent perforation on the {side}",
                "the fork goes to the {side}",
                "white debris is sucked from the attic",
            ),
            ("ofloxacin drops", "a dry ear plug"),
            ("repair the drum with a graft", "repeat the hearing test in {2|3} months"),
        ),
    ),
}
