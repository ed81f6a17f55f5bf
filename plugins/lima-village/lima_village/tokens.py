"""The village's tokenizer: byte-level BPE trained on the corpus, so that most of its words are one token.

`<|endoftext|>` separates documents and is the only special token; the engine adds an end-of-turn token for fine-tuning.
"""

from __future__ import annotations

from itertools import islice

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from lima_village.corpus import documents

END_OF_TEXT = "<|endoftext|>"
SAMPLE = 8_000
"""number of documents to train on"""


def build_tokenizer(seed: int, vocabulary: int) -> PreTrainedTokenizerFast:
    """Train the tokenizer on the first documents of a seed"""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END_OF_TEXT],
        show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    tokenizer.train_from_iterator(islice(documents(seed), SAMPLE), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=END_OF_TEXT, model_max_length=512, clean_up_tokenization_spaces=False
    )
