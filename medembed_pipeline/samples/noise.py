"""What dictation and typing do to a text: fillers, typos, homophones, lost punctuation."""

from random import Random

from medembed_pipeline.samples.vocabulary import fillers, homophones


def misspell(word: str, *, random: Random) -> str:
    """The word with one slip of the keyboard inside it: never the same word, and its first letter stays."""
    place = random.randrange(1, len(word) - 1)
    slip = random.randrange(3)
    if slip == 0 and word[place] != word[place + 1]:
        return word[:place] + word[place + 1] + word[place] + word[place + 2 :]
    if slip == 1:
        return word[:place] + word[place + 1 :]
    return word[:place] + word[place] + word[place:]


def dictate(text: str, *, slips: int, random: Random) -> str:
    """The text with about `slips` slips, each at a random word; its words stay separated by single spaces."""
    words = text.split(" ")
    for _ in range(slips):
        place = random.randrange(len(words))
        word = words[place]
        kind = random.randrange(4)
        if kind == 0:
            words[place] = f"{random.choice(fillers())} {word}"
        elif kind == 1 and len(word) > 4 and word.isalpha() and word.islower():
            words[place] = misspell(word, random=random)
        elif kind == 2:
            words[place] = homophones().get(word, word.lower())
        elif kind == 3 and word[-1:] in {".", ","}:
            words[place] = word[:-1]
    return " ".join(words)
