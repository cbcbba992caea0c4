"""The shapes of published models, for random weights: what their config.json says, by the name of slm's preset."""
LLAMA = dict(model_type="llama", tie_word_embeddings=True, max_position_embeddings=2_048)
SHAPES = {
    "smollm2-135m": dict(LLAMA, vocab_size=49_152, hidden_size=576, intermediate_size=1_536, num_hidden_layers=30, num_attention_heads=9, num_key_value_heads=3,
                         rope_theta=100_000.0),
    "gemma-3-270m": dict(LLAMA, model_type="gemma3_text", vocab_size=262_144, hidden_size=640, intermediate_size=2_048, num_hidden_layers=18, num_attention_heads=4,
                         num_key_value_heads=1, head_dim=256, sliding_window=512),
    "qwen2.5-0.5b": dict(LLAMA, model_type="qwen2", vocab_size=151_936, hidden_size=896, intermediate_size=4_864, num_hidden_layers=24, num_attention_heads=14,
                         num_key_value_heads=2, rope_theta=1_000_000.0, rms_norm_eps=1e-6),
    "llama-3.2-1b": dict(LLAMA, vocab_size=128_256, hidden_size=2_048, intermediate_size=8_192, num_hidden_layers=16, num_attention_heads=32, num_key_value_heads=8,
                         rope_theta=500_000.0),
}


def random_model(shape, seed=0, dtype="bf16"):
    """A model of transformers, in bf16 or f32."""
    import torch
    import transformers

    torch.manual_seed(seed)
    torch.set_default_dtype({"bf16": torch.bfloat16, "f32": torch.float32}[dtype])
    settings = dict(SHAPES[shape])
    return transformers.AutoModelForCausalLM.from_config(transformers.AutoConfig.for_model(settings.pop("model_type"), **settings))
