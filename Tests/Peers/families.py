"""Random models of the families that slm reads, made with transformers: small ones, and ones at the shapes that people use; and their logits."""
import json
import random
import subprocess

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (AutoModelForCausalLM, Gemma2Config, Gemma3TextConfig, GPT2Config, GPTNeoXConfig, GptOssConfig, GraniteConfig, GraniteMoeConfig, GraniteMoeSharedConfig, LlamaConfig, MistralConfig,
                          MixtralConfig, Mxfp4Config, Olmo2Config, OlmoeConfig, Phi3Config, Qwen2Config, Qwen2MoeConfig, Qwen3Config, Qwen3MoeConfig, SmolLM3Config, StableLmConfig)

SMALL = dict(hidden_size=64, intermediate_size=96, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2, vocab_size=320, max_position_embeddings=256)
LLAMA3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=64)
YARN = dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=64)
LONG = dict(rope_type="longrope", rope_theta=10_000.0, partial_rotary_factor=0.75, short_factor=[1 + 0.1 * i for i in range(6)], long_factor=[1.5 ** i for i in range(6)])
GRANITE = dict(embedding_multiplier=6.0, residual_multiplier=0.22, attention_multiplier=0.125, logits_scaling=3.0, tie_word_embeddings=True)
GPT_NEOX = dict(hidden_size=64, intermediate_size=128, num_hidden_layers=3, num_attention_heads=4, vocab_size=320, max_position_embeddings=256)


def rope(theta=10_000.0, **scaling):
    return dict(rope_parameters=dict(rope_theta=theta, **(scaling or dict(rope_type="default"))))


# Name: configuration. Those of one family differ in what its models differ in.
MODELS = {
    "gpt2": GPT2Config(n_layer=3, n_head=4, n_embd=64, n_inner=96, n_positions=256, vocab_size=320, layer_norm_epsilon=1e-6),
    "llama": LlamaConfig(**SMALL, **rope()),
    "llama-3.2": LlamaConfig(**SMALL, tie_word_embeddings=True, rms_norm_eps=1e-5, **rope(500_000.0, **LLAMA3)),
    "llama-wide-heads": LlamaConfig(**SMALL, head_dim=32, **rope(rope_type="linear", factor=2.0)),
    "llama-biases": LlamaConfig(**SMALL, attention_bias=True, **rope(**YARN)),
    "mistral": MistralConfig(**SMALL, sliding_window=24, **rope(1_000_000.0)),
    "mistral-full": MistralConfig(**SMALL, sliding_window=None, **rope(1_000_000.0)),
    "qwen2": Qwen2Config(**SMALL, tie_word_embeddings=True, **rope(1_000_000.0)),
    "qwen2-sliding": Qwen2Config(**SMALL, use_sliding_window=True, sliding_window=24, max_window_layers=1, **rope(1_000_000.0)),
    "qwen3": Qwen3Config(**SMALL, head_dim=32, tie_word_embeddings=True, **rope(1_000_000.0)),
    # Caps near the largest scores and logits, so that they matter.
    "gemma2": Gemma2Config(**SMALL, head_dim=32, query_pre_attn_scalar=32, sliding_window=24, attn_logit_softcapping=3.0, final_logit_softcapping=4.0),
    "gemma2-uncapped": Gemma2Config(**SMALL, head_dim=32, query_pre_attn_scalar=24, sliding_window=24, attn_logit_softcapping=None, final_logit_softcapping=None),
    "gemma3": Gemma3TextConfig(**{**SMALL, "num_hidden_layers": 7}, head_dim=32, query_pre_attn_scalar=32, sliding_window=24),
    "gemma3-scaled": Gemma3TextConfig(**SMALL, head_dim=32, query_pre_attn_scalar=24, sliding_window=24, layer_types=["full_attention", "sliding_attention", "full_attention"],
                                      rope_parameters=dict(full_attention=dict(rope_type="linear", factor=8.0, rope_theta=1_000_000.0), sliding_attention=dict(rope_type="default", rope_theta=10_000.0))),
    "gemma3-capped": Gemma3TextConfig(**{**SMALL, "num_hidden_layers": 7}, head_dim=32, query_pre_attn_scalar=32, sliding_window=24, final_logit_softcapping=4.0),
    "pythia": GPTNeoXConfig(**GPT_NEOX, rope_parameters=dict(rope_type="default", rope_theta=10_000.0, partial_rotary_factor=0.25)),
    "granite": GraniteConfig(**SMALL, **GRANITE, **rope()),
    "olmo2": Olmo2Config(**{**SMALL, "num_key_value_heads": 4}, **rope(500_000.0)),
    "smollm3": SmolLM3Config(**{**SMALL, "num_hidden_layers": 5}, pad_token_id=0, **rope(5_000_000.0)),
    "phi3": Phi3Config(**SMALL, pad_token_id=0),
    "phi3-partial": Phi3Config(**SMALL, pad_token_id=0, sliding_window=24, rope_parameters=dict(rope_type="default", rope_theta=10_000.0, partial_rotary_factor=0.75)),
    # The factors are those for prompts of up to 512 tokens, and of more than 4.
    "phi3-short": Phi3Config(**{**SMALL, "max_position_embeddings": 1_024}, pad_token_id=0, original_max_position_embeddings=512, rope_parameters=LONG),
    "phi3-long": Phi3Config(**SMALL, pad_token_id=0, original_max_position_embeddings=4, rope_parameters=LONG),
    "stablelm": StableLmConfig(**SMALL, rope_parameters=dict(rope_type="default", rope_theta=10_000.0, partial_rotary_factor=0.25)),
    "stablelm-biases": StableLmConfig(**SMALL, use_qkv_bias=True, tie_word_embeddings=True, rope_parameters=dict(rope_type="default", rope_theta=10_000.0, partial_rotary_factor=0.5)),
    "mixtral": MixtralConfig(**SMALL, num_local_experts=4, **rope(1_000_000.0)),
    "mixtral-window": MixtralConfig(**SMALL, num_local_experts=4, sliding_window=24, **rope(1_000_000.0)),
    # Without a loss that balances the experts, which transformers' loss leaves out.
    "qwen2-moe": Qwen2MoeConfig(**SMALL, num_experts=8, num_experts_per_tok=3, moe_intermediate_size=32, shared_expert_intermediate_size=64, router_aux_loss_coef=0.0,
                                **rope(1_000_000.0)),
    "qwen2-moe-normalized": Qwen2MoeConfig(**SMALL, num_experts=8, num_experts_per_tok=2, moe_intermediate_size=32, shared_expert_intermediate_size=96, norm_topk_prob=True, **rope(1_000_000.0)),
    "qwen3-moe": Qwen3MoeConfig(**SMALL, head_dim=32, num_experts=8, num_experts_per_tok=3, moe_intermediate_size=32, norm_topk_prob=True, **rope(1_000_000.0)),
    "qwen3-moe-shares": Qwen3MoeConfig(**SMALL, head_dim=32, num_experts=8, num_experts_per_tok=2, moe_intermediate_size=32, norm_topk_prob=False, **rope(1_000_000.0)),
    "olmoe": OlmoeConfig(**{**SMALL, "num_key_value_heads": 4}, num_experts=8, num_experts_per_tok=3, **rope()),
    "granite-moe": GraniteMoeConfig(**SMALL, **GRANITE, num_local_experts=5, num_experts_per_tok=2, **rope()),
    "granite-moe-shared": GraniteMoeSharedConfig(**SMALL, **GRANITE, num_local_experts=5, num_experts_per_tok=2, shared_intermediate_size=64, **rope()),
    "gpt-oss": GptOssConfig(**SMALL, head_dim=32, num_local_experts=8, num_experts_per_tok=3, sliding_window=24, **rope(150_000.0, **{**YARN, "truncate": False})),
    "gpt-oss-unscaled": GptOssConfig(**{**SMALL, "num_hidden_layers": 4}, head_dim=16, num_local_experts=4, num_experts_per_tok=2, sliding_window=24, **rope(150_000.0)),
    "gpt-neox-in-sequence": GPTNeoXConfig(**GPT_NEOX, use_parallel_residual=False, rope_parameters=dict(rope_type="default", rope_theta=10_000.0, partial_rotary_factor=1.0)),
}

# Models at the shapes that people use, with shorter contexts.
SHAPES = {
    "SmolLM2-135M": LlamaConfig(hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9, num_key_value_heads=3, vocab_size=49_152,
                                max_position_embeddings=2_048, tie_word_embeddings=True, rms_norm_eps=1e-5, **rope(100_000.0)),
    "Gemma-3-270M": Gemma3TextConfig(hidden_size=640, intermediate_size=2048, num_hidden_layers=18, num_attention_heads=4, num_key_value_heads=1, head_dim=256, vocab_size=262_144,
                                     max_position_embeddings=2_048, sliding_window=512, query_pre_attn_scalar=256),
    "Qwen2.5-0.5B": Qwen2Config(hidden_size=896, intermediate_size=4864, num_hidden_layers=24, num_attention_heads=14, num_key_value_heads=2, vocab_size=151_936,
                                max_position_embeddings=2_048, tie_word_embeddings=True, **rope(1_000_000.0)),
    "Llama-3.2-1B": LlamaConfig(hidden_size=2048, intermediate_size=8192, num_hidden_layers=16, num_attention_heads=32, num_key_value_heads=8, head_dim=64, vocab_size=128_256,
                                max_position_embeddings=2_048, tie_word_embeddings=True, rms_norm_eps=1e-5,
                                **rope(500_000.0, **{**LLAMA3, "factor": 32.0, "original_max_position_embeddings": 8_192})),
}


def random_model(config, seed=1, deviation=0.08):
    """Creates a model with larger weights than a new one has, for clearly different logits, and with norms and biases that are not 1 and 0."""
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config).eval().float()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1:
                parameter.normal_(0, deviation)
            elif name.endswith("weight"):
                parameter.normal_(0 if config.model_type.startswith("gemma") else 1, 0.1)
            else:
                parameter.normal_(0, 0.05)
    return model


def write_mxfp4(config, folder, seed=1):
    """Writes a gpt-oss whose experts are random blocks of MXFP4 with scales in tensors of their own, as in its authors' folder; returns the model that transformers reads."""
    random_model(config).save_pretrained(folder)
    rng, tensors = np.random.default_rng(seed), load_file(folder / "model.safetensors")
    for name in [name for name in tensors if name.endswith((".experts.gate_up_proj", ".experts.down_proj"))]:
        experts, inputs, outputs = tensors.pop(name).shape
        tensors[f"{name}_blocks"] = torch.from_numpy(rng.integers(0, 256, (experts, outputs, inputs // 32, 16), dtype=np.uint8))
        # Powers of two that give the weights about the deviation of the others.
        tensors[f"{name}_scales"] = torch.from_numpy(rng.integers(127 - 7, 127 - 4, (experts, outputs, inputs // 32), dtype=np.uint8))
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    fields = json.loads((folder / "config.json").read_text())
    fields["quantization_config"] = {"quant_method": "mxfp4", "modules_to_not_convert": ["model.layers.*.self_attn", "model.layers.*.mlp.router", "model.embed_tokens", "lm_head"]}
    (folder / "config.json").write_text(json.dumps(fields))
    return AutoModelForCausalLM.from_pretrained(folder, quantization_config=Mxfp4Config(dequantize=True), dtype=torch.float32).eval()


def save_tokenizer(folder):
    """A tokenizer of all bytes, fewer than the model has rows."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={letter: i for i, letter in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|eos|>", "<|user|>", "<|assistant|>"])
    tokenizer.save(str(folder / "tokenizer.json"))


def write_old_config(folder):
    """Rewrites the config.json of transformers 5 as versions before wrote it: rope_theta and rope_scaling."""
    path = folder / "config.json"
    fields = json.loads(path.read_text())
    parameters = fields.pop("rope_parameters", None)
    if not parameters:
        return False
    if "full_attention" in parameters:
        fields["rope_local_base_freq"] = parameters["sliding_attention"]["rope_theta"]
        parameters = parameters["full_attention"]
    theta, share = parameters.pop("rope_theta"), parameters.pop("partial_rotary_factor", None)
    fields["rotary_emb_base" if fields["model_type"] == "gpt_neox" else "rope_theta"] = theta
    if share is not None:
        fields["rotary_pct" if fields["model_type"] == "gpt_neox" else "partial_rotary_factor"] = share
    if fields["model_type"] == "qwen3_moe":
        fields["num_experts"] = fields.pop("num_local_experts")
    fields["rope_scaling"] = None if parameters["rope_type"] == "default" else parameters
    path.write_text(json.dumps(fields))
    return True


def prompts(vocabulary, longest, seed=2, count=10):
    """Rows of random tokens, the last of them the longest."""
    rng = random.Random(seed)
    return [[rng.randrange(vocabulary) for _ in range(rng.randint(1, longest // 2))] for _ in range(count - 1)] + [[rng.randrange(vocabulary) for _ in range(longest)]]


def ours(logits, checkpoint, rows, vocabulary, *mode):
    """Logits after each token, from the Logits program."""
    done = subprocess.run([logits, checkpoint, *mode], input="".join(" ".join(map(str, row)) + "\n" for row in rows).encode(), capture_output=True, check=True)
    numbers = np.frombuffer(done.stdout, "<f4").reshape(-1, vocabulary)
    return np.split(numbers, np.cumsum([len(row) for row in rows])[:-1])


def theirs(model, rows):
    with torch.no_grad():
        return [model(torch.tensor([row])).logits[0].float().numpy() for row in rows]
