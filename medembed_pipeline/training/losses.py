"""The two losses. Both take unit vectors of the notes of one batch."""

import torch
from torch import nn


def contrastive_loss(vectors: torch.Tensor, overlap: torch.Tensor, *, temperature: float) -> torch.Tensor:
    """Supervised contrastive loss over all pairs of a batch, positives weighted by their labels' overlap.

    For each note i and each note j that shares a label with it, j is to be told from the notes that share
    none with i:

        -log( exp(s_ij / t) / (exp(s_ij / t) + sum over k sharing nothing with i of exp(s_ik / t)) )

    averaged over j with the weights `overlap`, then over the notes that have a positive. It follows Khosla et
    al., Supervised Contrastive Learning (NeurIPS 2020), eq. 2, with one change: other positives are left out
    of the denominator, so that two notes which share a label are never pushed apart.

    Args:
        vectors: float32 [n, d], L2-normalised.
        overlap: float32 [n, n] in 0..1, Jaccard index of the label sets; 0 makes a negative pair. The
            diagonal is not looked at.
        temperature: t, above 0.

    Returns:
        float32 scalar; 0 (with a gradient of 0) where the batch has no positive pair.
    """
    similarity = vectors @ vectors.T / temperature
    itself = torch.eye(len(vectors), dtype=torch.bool, device=vectors.device)
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

    Args:
        vectors: float32 [n, d], L2-normalised.
        triplets: int64 [t, 3], positions of anchor, positive and negative in `vectors`.
        margin: above 0.
        distance: "cosine" (1 - cosine similarity) or "euclidean".

    Returns:
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
