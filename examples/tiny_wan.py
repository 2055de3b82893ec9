#!/usr/bin/env python3
"""Build a text-to-video model of a few hundred kilobytes, from a seed, without downloading anything.

    python examples/tiny_wan.py FOLDER [--seed 7]

It is of the classes that real Wan checkpoints are of, and is run by the same code; only its
weights are drawn from a seed instead of being trained, so its pictures are moving noise. Beside
it lies `FOLDER-lora.safetensors`, a LoRA for it. Needs Cinefab's extra `diffusers`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

_ALPHABET = 260


def build(folder: Path, seed: int = 7, *, transformer: dict[str, int] | None = None) -> None:
    """Write a tiny WanPipeline into `folder`, and a LoRA beside it.

    `transformer` has what its transformer is to have otherwise, such as `num_layers`.
    """
    import torch
    from diffusers import (
        AutoencoderKLWan,
        UniPCMultistepScheduler,
        WanPipeline,
        WanTransformer3DModel,
    )
    from transformers import UMT5Config, UMT5EncoderModel

    torch.manual_seed(seed)
    vae = AutoencoderKLWan(
        base_dim=3,
        z_dim=16,
        dim_mult=[1, 1, 1, 1],
        num_res_blocks=1,
        temperal_downsample=[False, True, True],
    )
    with torch.no_grad():
        # Untrained pictures leap from frame to frame, which every review refuses; these go softly.
        vae.decoder.conv_out.weight.mul_(0.09)
    text_encoder = UMT5EncoderModel(
        UMT5Config(vocab_size=_ALPHABET, d_model=32, d_kv=8, d_ff=37, num_layers=2, num_heads=4)
    )
    shape = {"num_attention_heads": 2, "attention_head_dim": 12, "ffn_dim": 32, "num_layers": 2}
    denoiser = WanTransformer3DModel(
        patch_size=(1, 2, 2),
        in_channels=16,
        out_channels=16,
        text_dim=32,
        freq_dim=256,
        cross_attn_norm=True,
        qk_norm="rms_norm_across_heads",
        rope_max_seq_len=32,
        **(shape | (transformer or {})),
    )
    pipeline = WanPipeline(
        tokenizer=bytes_as_words(),
        text_encoder=text_encoder.eval(),
        vae=vae.eval(),
        scheduler=UniPCMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
        ),
        transformer=denoiser.eval(),
    )
    pipeline.save_pretrained(folder, safe_serialization=True)
    write_lora(denoiser, folder.with_name(f"{folder.name}-lora.safetensors"), seed + 1)


def bytes_as_words():
    """Return a tokenizer that knows every byte as a word, and so every text."""
    from tokenizers import Tokenizer
    from tokenizers.decoders import ByteLevel as ByteLevelDecoder
    from tokenizers.models import BPE
    from tokenizers.pre_tokenizers import ByteLevel
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    words = ["<pad>", "</s>", "<unk>", *sorted(ByteLevel.alphabet())]
    tokenizer = Tokenizer(
        BPE(vocab={word: at for at, word in enumerate(words)}, merges=[], unk_token="<unk>")
    )
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    tokenizer.decoder = ByteLevelDecoder()
    tokenizer.post_processor = TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=64,
    )


def write_lora(model, path: Path, seed: int) -> None:
    """Write a LoRA of rank 2 over the attention of `model`, drawn from `seed`."""
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(seed)
    weights = {}
    for name, layer in model.named_modules():
        if name.endswith((".to_q", ".to_k", ".to_v")):
            rows, columns = layer.weight.shape
            weights[f"transformer.{name}.lora_A.weight"] = torch.randn(2, columns) * 0.2
            weights[f"transformer.{name}.lora_B.weight"] = torch.randn(rows, 2) * 0.2
    save_file(weights, path)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Build a tiny text-to-video model from a seed.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    build(given.folder, given.seed)
    print(f"{given.folder}: a WanPipeline")
