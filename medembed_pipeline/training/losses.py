"""The losses of the texts of one batch, by their unit vectors or the similarities of these."""

from typing import Any

import torch
from torch import nn


class _Similarities(torch.autograd.Function):
    """Both factors are the same vectors, so that one product is enough on the way back."""

    @staticmethod
    def forward(ctx: Any, vectors: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(vectors)
        return vectors @ vectors.T

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:
        (vectors,) = ctx.saved_tensors
        return (gradients[0] + gradients[0].T) @ vectors


def similarities(vectors: torch.Tensor) -> torch.Tensor:
    """float32 [n, n]: the cosine similarities of float32 [n, d] unit vectors."""
    found: torch.Tensor = _Similarities.apply(vectors)
    return found


def contrastive_loss(similarity: torch.Tensor, overlap: torch.Tensor, *, temperature: float) -> torch.Tensor:
    """Supervised contrastive loss over all pairs of a batch, positives weighted by their labels' overlap.

    For each note i and each note j that shares a label with it, j is to be told from the notes that share
    none with i:

        -log( exp(s_ij / t) / (exp(s_ij / t) + sum over k sharing nothing with i of exp(s_ik / t)) )

    averaged over j with the weights `overlap`, then over the notes that have a positive. It follows Khosla et
    al., Supervised Contrastive Learning (NeurIPS 2020), eq. 2, with one change: other positives are left out
    of the denominator, so that two notes which share a label are never pushed apart.

    Parameters
    ----------
    similarity
        float32 [n, n], cosine.
    overlap
        float32 [n, n] in 0..1, Jaccard index of the label sets; 0 makes a negative pair. The diagonal is not looked
        at.
    temperature
        t, above 0.

    Returns
    -------
    torch.Tensor
        float32 scalar; 0 (with a gradient of 0) where the batch has no positive pair.
    """
    similarity = similarity / temperature
    itself = torch.eye(len(overlap), dtype=torch.bool, device=overlap.device)
    weights = overlap.masked_fill(itself, 0)
    negative = (overlap <= 0) & ~itself
    # A note without a negative gets -1e9 here: its terms are then 0, with finite gradients.
    negatives = torch.logsumexp(similarity.masked_fill(~negative, -1e9), dim=1, keepdim=True)
    terms = nn.functional.softplus(negatives - similarity)
    positives = weights.sum(dim=1)
    per_note = (terms * weights).sum(dim=1) / positives.clamp_min(1e-9)
    return per_note.sum() / (positives > 0).sum().clamp_min(1)


def triplet_loss(
    vectors: torch.Tensor, triplets: torch.Tensor, *, margin: float, distance: str
) -> torch.Tensor:
    """Mean over the triplets of max(0, d(anchor, positive) - d(anchor, negative) + margin).

    Schroff et al., FaceNet (CVPR 2015), eq. 2, with plain in place of squared distances.

    Parameters
    ----------
    vectors
        float32 [n, d], L2-normalised.
    triplets
        int64 [t, 3], positions of anchor, positive and negative in `vectors`.
    margin
        above 0.
    distance
        "cosine" (1 - cosine similarity) or "euclidean".

    Returns
    -------
    torch.Tensor
        float32 scalar.
    """
    anchor, positive, negative = (vectors[triplets[:, place]] for place in range(3))
    cosine_positive = (anchor * positive).sum(dim=1)
    cosine_negative = (anchor * negative).sum(dim=1)
    if distance == "cosine":
        gap = cosine_negative - cosine_positive
    else:
        # |a - b| of unit vectors; kept off 0, where the root has no gradient.
        gap = (2 - 2 * cosine_positive).clamp_min(1e-8).sqrt() - (2 - 2 * cosine_negative).clamp_min(
            1e-8
        ).sqrt()
    return nn.functional.relu(gap + margin).mean()


def passage_loss(
    passages: torch.Tensor, notes: torch.Tensor, own: torch.Tensor, *, temperature: float
) -> torch.Tensor:
    """A passage has to find its own note among the notes of the batch.

    Mean over the passages of -log( exp(s_own / t) / sum over all notes k of exp(s_k / t) ): van den Oord et al.,
    Representation Learning with Contrastive Predictive Coding (2018), eq. 4, with cosine similarity s.

    Parameters
    ----------
    passages
        float32 [p, d], L2-normalised.
    notes
        float32 [n, d], L2-normalised.
    own
        int64 [p], each passage's note, as a position in `notes`.
    temperature
        t, above 0.

    Returns
    -------
    torch.Tensor
        float32 scalar; 0 without a passage.
    """
    if not len(passages):
        return notes.sum() * 0
    return nn.functional.cross_entropy(passages @ notes.T / temperature, own)


def anchoring_loss(
    vectors: torch.Tensor, before: torch.Tensor, *, similarity_weight: float, vector_weight: float
) -> torch.Tensor:
    """How far some texts have moved from where the base model has them.

    The mean squared change of the similarity of each two texts (Park et al., Relational Knowledge Distillation, CVPR
    2019, with similarities in place of distances), and the mean cosine distance of each text from its place before.

    Parameters
    ----------
    vectors
        float32 [n, d], L2-normalised.
    before
        float32 [n, d], L2-normalised: the base model's of the same texts.
    similarity_weight
        of the first part.
    vector_weight
        of the second part.

    Returns
    -------
    torch.Tensor
        float32 scalar; 0 without a text.
    """
    if not len(vectors):
        return vectors.sum() * 0
    relations = ((similarities(vectors) - before @ before.T) ** 2).mean()
    places = (1 - (vectors * before).sum(dim=1)).mean()
    return similarity_weight * relations + vector_weight * places


def detail_loss(
    similarity: torch.Tensor, before: torch.Tensor, overlap: torch.Tensor, *, temperature: float
) -> torch.Tensor:
    """What is lost of the order among notes that share a label.

    Each note has a distribution over the notes that share a label with it, by exp(s_ij / t). The loss is the mean
    Kullback-Leibler divergence of the one now from the one before (Hinton, Vinyals & Dean, Distilling the Knowledge in
    a Neural Network, 2015, section 2, with similarities for logits). Notes of other labels play no part.

    Parameters
    ----------
    similarity
        float32 [n, n], cosine.
    before
        float32 [n, n], the base model's of the same notes.
    overlap
        float32 [n, n], above 0 where two notes share a label. The diagonal is not looked at.
    temperature
        t, above 0.

    Returns
    -------
    torch.Tensor
        float32 scalar; 0 (with a gradient of 0) where no two notes share a label.
    """
    itself = torch.eye(len(overlap), dtype=torch.bool, device=overlap.device)
    apart = (overlap <= 0) | itself
    wanted = torch.log_softmax((before / temperature).masked_fill(apart, -1e9), dim=1)
    found = torch.log_softmax((similarity / temperature).masked_fill(apart, -1e9), dim=1)
    some = ~apart.all(dim=1)
    per_note = (wanted.exp() * (wanted - found)).sum(dim=1)
    return (per_note * some).sum() / some.sum().clamp_min(1)
