"""Tiny models made on the spot, so that tests need neither a network nor time."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

WORDS = [
    *(
        "the",
        "patient",
        "was",
        "seen",
        "for",
        "chest",
        "pain",
        "and",
        "cough",
        "mri",
        "of",
        "left",
        "knee",
        "right",
    ),
    *(
        "heart",
        "valve",
        "normal",
        "fever",
        "no",
        "with",
        "a",
        "fracture",
        "noted",
        "stable",
        "follow",
        "up",
        "in",
    ),
    *("two", "weeks", "blood", "pressure", "elevated"),
]


def make_bert(folder: Path, *, seed: int = 0, positions: int = 64) -> Path:
    """A 2-layer BERT with a WordPiece vocabulary of a few words, in plain transformers format."""
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder.mkdir(parents=True, exist_ok=True)
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    pieces = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *WORDS,
        *letters,
        *("##" + letter for letter in letters),
        ".",
    ]
    (folder / "vocab.txt").write_text("\n".join(dict.fromkeys(pieces)) + "\n", encoding="utf-8")
    tokenizer = BertTokenizerFast(str(folder / "vocab.txt"))
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=positions,
        # Larger than BERT's own, so that an untrained model tells texts apart.
        initializer_range=0.2,
    )
    BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_roberta(folder: Path) -> Path:
    """A 2-layer RoBERTa (no token types, positions counted from the padding id on) with a byte-level BPE."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast, RobertaConfig, RobertaModel

    folder.mkdir(parents=True, exist_ok=True)
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    bpe = Tokenizer(models.BPE(unk_token="<unk>"))
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel()
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator([" ".join(WORDS)], trainer)
    bpe.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token="<s>",
        cls_token="<s>",
        pad_token="<pad>",
        sep_token="</s>",
        eos_token="</s>",
        unk_token="<unk>",
        mask_token="<mask>",
    )
    torch.manual_seed(0)
    config = RobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=40,
        type_vocab_size=1,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
        initializer_range=0.2,
    )
    RobertaModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_xlm_roberta(folder: Path) -> Path:
    """A 2-layer XLM-RoBERTa (E5, BGE-M3) with a sentencepiece-like unigram vocabulary."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast, XLMRobertaConfig, XLMRobertaModel

    folder.mkdir(parents=True, exist_ok=True)
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    unigram = Tokenizer(models.Unigram())
    unigram.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]
    )
    trainer = trainers.UnigramTrainer(
        vocab_size=120, special_tokens=special, unk_token="<unk>", show_progress=False
    )
    unigram.train_from_iterator([" ".join(WORDS), "query: passage: " * 3], trainer)
    unigram.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        special_tokens=[
            ("<s>", unigram.token_to_id("<s>")),
            ("</s>", unigram.token_to_id("</s>")),
        ],
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=unigram,
        bos_token="<s>",
        cls_token="<s>",
        pad_token="<pad>",
        sep_token="</s>",
        eos_token="</s>",
        unk_token="<unk>",
        mask_token="<mask>",
    )
    torch.manual_seed(0)
    config = XLMRobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=66,
        type_vocab_size=1,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        initializer_range=0.2,
    )
    XLMRobertaModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_qwen3(folder: Path, *, padding_side: str = "left") -> Path:
    """A 2-layer Qwen3 (a decoder with rotary positions) that ends each text with a token of its own, and has a chat
    template, as Qwen3-Embedding has."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3Model

    folder.mkdir(parents=True, exist_ok=True)
    end = "<|endoftext|>"
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=[end],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator([" ".join(WORDS)], trainer)
    bpe.post_processor = processors.TemplateProcessing(single=f"$A {end}", special_tokens=[(end, 0)])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe, pad_token=end, eos_token=end, padding_side=padding_side
    )
    tokenizer.chat_template = "{% for message in messages %}<{{ message.content }}>{% endfor %}"
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        intermediate_size=64,
        max_position_embeddings=128,
        pad_token_id=0,
        eos_token_id=0,
        initializer_range=0.2,
    )
    Qwen3Model(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def as_sentence_transformers(
    base: Path,
    folder: Path,
    *,
    pooling: str = "mean",
    include_prompt: bool = True,
    dense: Sequence[tuple[int, torch.nn.Module]] = (),
    prompts: dict[str, str] | None = None,
    normalize: bool = True,
    max_tokens: int = 32,
    head: Sequence[tuple[int, torch.nn.Module]] = (),
) -> Path:
    """A base model with further modules, written by sentence-transformers itself."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules.dense import Dense
    from sentence_transformers.base.modules.normalize import Normalize
    from sentence_transformers.base.modules.transformer import Transformer
    from sentence_transformers.sentence_transformer.modules.pooling import Pooling

    text = {"text": {"method": "forward", "method_output_name": "last_hidden_state"}}
    transformer = Transformer(
        str(base), max_seq_length=max_tokens, modality_config=text, module_output_name="token_embeddings"
    )
    modules: list[Any] = [transformer, Pooling(32, pooling, include_prompt=include_prompt)]
    torch.manual_seed(1)
    inputs = 32
    for outputs, activation in dense:
        modules.append(Dense(inputs, outputs, activation_function=activation))
        inputs = outputs
    modules += [Normalize()] if normalize else []
    for outputs, activation in head:
        # Larger weights than torch draws, so that an untrained head tells texts apart.
        weight = torch.randn(outputs, inputs)
        modules.append(Dense(inputs, outputs, activation_function=activation, init_weight=weight))
        inputs = outputs
    modules += [Normalize()] if head else []
    SentenceTransformer(modules=modules, prompts=prompts, device="cpu").save(
        str(folder), create_model_card=False
    )
    return folder
