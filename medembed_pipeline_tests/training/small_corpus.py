"""A corpus of a few dozen made-up notes in four specialties, and triplets of them."""

import numpy as np

from medembed_pipeline.training import TrainingData

SPECIALTIES = {
    "Cardiology": ["heart", "valve", "chest", "pressure"],
    "Orthopedic": ["knee", "fracture", "left", "right"],
    "Pulmonary": ["cough", "fever", "chest", "no"],
    "Radiology": ["mri", "of", "normal", "noted"],
}
FILLER = [
    "the",
    "patient",
    "was",
    "seen",
    "for",
    "and",
    "with",
    "a",
    "in",
    "two",
    "weeks",
    "stable",
    "follow",
    "up",
]


def make_data(
    *, notes: int = 96, train_triplets: int = 120, validation_triplets: int = 40, seed: int = 0
) -> TrainingData:
    """Notes of which every fifth carries two specialties; the last third is for validation."""
    rng = np.random.default_rng(seed)
    names = list(SPECIALTIES)
    texts, specialties = {}, {}
    for number in range(notes):
        labels = [names[number % 4]] + ([names[(number + 1) % 4]] if number % 5 == 0 else [])
        own = [word for label in labels for word in SPECIALTIES[label]]
        words = [*rng.choice(own, 4), *rng.choice(FILLER, int(rng.integers(4, 24)))]
        rng.shuffle(words)
        texts[f"note{number:03}"] = " ".join(words)
        specialties[f"note{number:03}"] = labels
    ids = list(texts)
    train, validation = ids[: notes * 2 // 3], ids[notes * 2 // 3 :]

    def draw(some: list[str], count: int) -> list[tuple[str, str, str]]:
        triplets: list[tuple[str, str, str]] = []
        while len(triplets) < count:
            anchor, positive, negative = rng.choice(some, 3, replace=False)
            a, p, n = (set(specialties[note]) for note in (anchor, positive, negative))
            if a & p and not a & n:
                triplets.append((str(anchor), str(positive), str(negative)))
        return triplets

    return TrainingData(
        texts=texts,
        specialties=specialties,
        train_triplets=draw(train, train_triplets),
        validation_triplets=draw(validation, validation_triplets),
        validation_ids=validation,
    )
