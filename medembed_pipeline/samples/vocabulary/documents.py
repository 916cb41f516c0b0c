"""Documents that belong to no specialty: a yearly physical, an evaluation, a pathology report, ..."""

# Filed under no specialty: document type, title, and (section, sentences) in order.
DOCUMENTS: tuple[tuple[str, str, tuple[tuple[str, tuple[str, ...]], ...]], ...] = (
    (
        "General Medicine",
        "Annual Physical",
        (
            (
                "SUBJECTIVE",
                (
                    "this {age}-year-old {woman} is here for a yearly physical and feels well",
                    "{she} walks {1-5} miles on most days",
                    "{she} eats out {1|2|3|4} times a week",
                    "seat belts are worn and there is a smoke alarm at home",
                    "{she} would like forms filled in for {work|camp|a gym|insurance}",
                    "the last tetanus shot was in {year}",
                    "{she} sleeps {6|7|8} hours",
                ),
            ),
            (
                "OBJECTIVE",
                (
                    "heart sounds are normal",
                    "the lungs are clear",
                    "the belly is soft",
                    "gait is normal",
                    "weight is {118-236} pounds",
                    "teeth are in good repair",
                ),
            ),
            (
                "PLAN",
                (
                    "give the flu vaccine today",
                    "check cholesterol and sugar fasting",
                    "come back in {one year|6 months}",
                    "sign the form",
                    "use a pill box",
                ),
            ),
        ),
    ),
    (
        "Office Notes",
        "Sore Throat and Cold",
        (
            (
                "SUBJECTIVE",
                (
                    "{she} has had a runny nose for {2-7} days",
                    "the throat is scratchy",
                    "{a coworker|the grandson|a roommate} had the same",
                    "{she} took tea with honey",
                    "there is no earache",
                    "appetite is fair",
                    "{she} missed {1|2|3} days of work",
                ),
            ),
            (
                "OBJECTIVE",
                (
                    "temperature is {98-100}.{1-9}",
                    "the throat is a little pink",
                    "no nodes are felt",
                    "the lungs are clear",
                    "the rapid strep test is negative",
                ),
            ),
            (
                "PLAN",
                (
                    "rest and fluids",
                    "acetaminophen as needed",
                    "call if it lasts beyond {7|10} days",
                    "a note for work was given",
                ),
            ),
        ),
    ),
    (
        "IME-QME-Work Comp etc.",
        "Independent Medical Evaluation",
        (
            (
                "HISTORY",
                (
                    "the claimant is a {age}-year-old {forklift driver|cashier|nurse aide|carpenter|clerk}",
                    "the claim dates from {year}",
                    "{120-900} pages of records were reviewed",
                    "{she} has been on light duty for {2-14} months",
                    "{she} was let go {2-9} weeks later",
                    "a prior claim was settled in {year}",
                    "{she} drives and shops without help",
                ),
            ),
            (
                "DISCUSSION",
                (
                    "the findings are in keeping with the stated mechanism",
                    "effort was consistent over {2|3} trials",
                    "{60|70|80|90} percent is apportioned to the event",
                    "{she} may lift up to {10|20|35|50} pounds",
                    "the state is permanent and stationary",
                ),
            ),
            (
                "CONCLUSION",
                (
                    "whole person impairment is {2-18} percent",
                    "further care should stay open",
                    "a return to usual work is {expected|not expected} by {4-12} weeks",
                ),
            ),
        ),
    ),
    (
        "Lab Medicine - Pathology",
        "Surgical Pathology Report",
        (
            (
                "SPECIMEN",
                (
                    "received in formalin are {1-6} pieces of tan tissue",
                    "the largest is {4-38} mm across",
                    "the container has two matching labels",
                    "sections are in cassettes A1 to A{2-9}",
                    "the edge is inked {black|blue}",
                ),
            ),
            (
                "MICROSCOPIC DESCRIPTION",
                (
                    "glands are regular",
                    "a mild round cell infiltrate is present",
                    "mitoses number {1-9} per {10|20} fields",
                    "the ink is free by {1-8} mm",
                    "special stains are negative for organisms",
                    "the stroma is loose",
                ),
            ),
            (
                "DIAGNOSIS",
                (
                    "benign tissue with chronic inflammation",
                    "no dysplasia in {two|three|four} levels",
                    "see the comment on the {first|second} part",
                ),
            ),
        ),
    ),
    (
        "Autopsy",
        "Autopsy Report",
        (
            (
                "EXTERNAL EXAMINATION",
                (
                    "the body is that of a {woman} who appears {age} years old",
                    "length is {61-75} inches and weight {110-260} pounds",
                    "rigor is full and lividity is fixed at the back",
                    "there is a {2-9} cm old scar",
                    "clothing is listed in appendix {A|B|C}",
                    "hair is {gray|brown|black}",
                ),
            ),
            (
                "INTERNAL EXAMINATION",
                (
                    "the heart weighs {290-560} grams",
                    "the lungs weigh {780-1500} grams together",
                    "the liver weighs {1200-2300} grams",
                    "the brain weighs {1150-1450} grams",
                    "the stomach holds {30-400} mL",
                    "the skull is intact",
                ),
            ),
            (
                "OPINION",
                (
                    "death is natural",
                    "toxicology is pending in case {10-99}-{100-999}",
                    "tissue is kept for {1|2|5} years",
                ),
            ),
        ),
    ),
    (
        "Letters",
        "Letter to a Colleague",
        (
            (
                "Dear Doctor",
                (
                    "thank you for sending this pleasant {age}-year-old {woman}",
                    "we met for {20-60} minutes",
                    "{she} has moved here from {Ohio|Texas|Maine|Oregon|Utah}",
                    "records from {year} came by mail",
                    "{she} has no complaint today",
                    "refills were given for {30|60|90} days",
                    "vaccines are up to date but for {tetanus|influenza|pneumonia}",
                    "we went over a living will",
                    "{she} asked for a handicap placard",
                ),
            ),
            (
                "SUMMARY",
                (
                    "no change was made",
                    "I will see {her2} again in {3|4|6|12} months",
                    "please call with any question",
                    "copies go to {two|three} offices",
                ),
            ),
        ),
    ),
)
