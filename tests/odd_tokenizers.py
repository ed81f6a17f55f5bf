"""Imported by tests: tokenizers that mark, strip, join or change what others leave alone."""

import json

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from lima.testing import tiny_tokenizer
from lima.testing.tiny import TEXT

CONTROLS = ("<|a|>", "<|b|>", "<|a|>x", "|>")
"Of which one begins with another, and one ends others"


def sentencepiece(kind):
    """A tokenizer with ▁ for spaces, as Llama 2 ("legacy"), its later conversions ("first") and Mistral ("always") have it"""
    made = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    if kind == "legacy":
        made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    else:
        made.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme=kind, split=False)
    bytes_ = [f"<0x{i:02X}>" for i in range(256)]
    made.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(content=" ", left=1)]
    )
    trainer = trainers.BpeTrainer(vocab_size=700, special_tokens=["<unk>", "<s>", "</s>", *bytes_], show_progress=False)
    made.train_from_iterator([TEXT], trainer)
    whole = json.loads(made.to_str())
    whole["added_tokens"] = whole["added_tokens"][:3]
    made = Tokenizer.from_str(json.dumps(whole))
    made.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=made, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def bytes_with(normalizer=None, **about):
    """A byte-level one with control tokens of that kind"""
    made = tiny_tokenizer()
    made.add_tokens([AddedToken(text, **{"special": True, "normalized": False, **about}) for text in CONTROLS], True)
    if normalizer:
        made.backend_tokenizer.normalizer = normalizer
    return made


def with_controls(made):
    """The same tokenizer with control tokens"""
    made.add_tokens([AddedToken(text, special=True, normalized=False) for text in CONTROLS], True)
    return made


ODD = {
    "bytes": bytes_with,
    "takes white space before": lambda: bytes_with(lstrip=True),
    "takes white space after": lambda: bytes_with(rstrip=True),
    "words alone": lambda: bytes_with(single_word=True),
    "normalized controls": lambda: bytes_with(normalizers.Lowercase(), normalized=True),
    "composed": lambda: bytes_with(normalizers.NFC()),
    "stripped": lambda: bytes_with(normalizers.Strip()),
    "a prefix": lambda: bytes_with(normalizers.Prepend("x")),
    "no controls": tiny_tokenizer,
    "legacy": lambda: with_controls(sentencepiece("legacy")),
    "first": lambda: with_controls(sentencepiece("first")),
    "always": lambda: with_controls(sentencepiece("always")),
}
"Makers of tokenizers by what is odd about them"
