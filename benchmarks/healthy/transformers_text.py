"""Small text architectures of `transformers`: language models, encoders, translators."""

from __future__ import annotations

from typing import Any

from .transformers_batches import causal, masked, permuted, spans, tagged, texts, translated
from .transformers_table import Row

SPECIAL = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}  # used if the defaults exceed a small vocabulary


def decoder(width: int, layers: int, vocabulary: int, **more: Any) -> dict[str, Any]:
    """A llama-like decoder: gated feed-forward layers, and two heads for each key and value."""
    return {
        "vocab_size": vocabulary,
        "hidden_size": width,
        "intermediate_size": 5 * width // 2,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 64,
        **more,
    }


def gpt(width: int, layers: int, vocabulary: int, **more: Any) -> dict[str, Any]:
    return {"vocab_size": vocabulary, "n_embd": width, "n_layer": layers, "n_head": 4, "n_positions": 64, **more}


def encoder(width: int, layers: int, vocabulary: int, **more: Any) -> dict[str, Any]:
    return {
        "vocab_size": vocabulary,
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "max_position_embeddings": 64,
        **more,
    }


def bart(width: int, layers: int, vocabulary: int, **more: Any) -> dict[str, Any]:
    sizes: dict[str, Any] = {"vocab_size": vocabulary, "d_model": width, "max_position_embeddings": 64}
    for part in ("encoder", "decoder"):
        sizes |= {f"{part}_layers": layers, f"{part}_attention_heads": 4, f"{part}_ffn_dim": 4 * width}
    return sizes | more


def t5(width: int, layers: int, vocabulary: int, **more: Any) -> dict[str, Any]:
    sizes = {"vocab_size": vocabulary, "d_model": width, "d_kv": width // 4, "num_heads": 4, "d_ff": 4 * width}
    return sizes | {"num_layers": layers, "num_decoder_layers": layers, "decoder_start_token_id": 0} | more


GPTS = (
    Row("gpt2", "GPT2LMHeadModel", "gpt2", causal(8, 32), gpt(96, 4, 500, **SPECIAL)),
    Row("gpt_bigcode", "GPTBigCodeForCausalLM", "gpt2", causal(8, 24), gpt(64, 3, 400, **SPECIAL)),
    Row("openai-gpt", "OpenAIGPTLMHeadModel", "gpt2", causal(8, 32), gpt(128, 3, 600)),
    Row(
        "gpt_neo",
        "GPTNeoForCausalLM",
        "gpt2",
        causal(8, 32),
        {"vocab_size": 500, "hidden_size": 96, "num_layers": 4, "num_heads": 4, "max_position_embeddings": 64}
        | {"attention_types": [[["global", "local"], 2]], "window_size": 16, **SPECIAL},
    ),
    Row("gptj", "GPTJForCausalLM", "gptj", causal(8, 24), gpt(64, 4, 300, rotary_dim=8, **SPECIAL)),
    Row(
        "codegen",
        "CodeGenForCausalLM",
        "gptj",
        causal(6, 32),
        gpt(128, 3, 800, rotary_dim=16, n_ctx=64, bos_token_id=1, eos_token_id=2),
    ),
    Row("gpt_neox", "GPTNeoXForCausalLM", "gpt_neox", causal(8, 32), encoder(96, 4, 500)),
    Row("persimmon", "PersimmonForCausalLM", "gpt_neox", causal(8, 24), encoder(64, 3, 400)),
    Row("phi", "PhiForCausalLM", "gpt_neox", causal(8, 24), encoder(128, 3, 600, num_key_value_heads=4)),
    Row(
        "falcon",
        "FalconForCausalLM",
        "falcon",
        causal(8, 24),
        {"vocab_size": 500, "hidden_size": 96, "num_hidden_layers": 3, "num_attention_heads": 4, "num_kv_heads": 4}
        | {"ffn_hidden_size": 384},
    ),
    Row("bloom", "BloomForCausalLM", "bloom", causal(8, 24), {"vocab_size": 400, "n_layer": 3, "n_head": 4}),
    Row(
        "mpt",
        "MptForCausalLM",
        "mpt",
        causal(8, 32),
        {"vocab_size": 600, "d_model": 96, "n_layers": 3, "n_heads": 4, "max_seq_len": 64},
    ),
    Row("ctrl", "CTRLLMHeadModel", "ctrl", causal(8, 24), gpt(64, 3, 300, dff=256)),
    Row(
        "opt",
        "OPTForCausalLM",
        "opt",
        causal(8, 32),
        {"vocab_size": 500, "hidden_size": 96, "ffn_dim": 384, "num_hidden_layers": 4, "num_attention_heads": 4}
        | {"max_position_embeddings": 64, "word_embed_proj_dim": 96},
    ),
    Row(
        "xglm",
        "XGLMForCausalLM",
        "opt",
        causal(8, 24),
        {"vocab_size": 700, "d_model": 64, "ffn_dim": 256, "num_layers": 3, "attention_heads": 4}
        | {"max_position_embeddings": 64},
    ),
    Row("biogpt", "BioGptForCausalLM", "opt", causal(8, 24), encoder(64, 4, 300)),
)

LLAMAS = (
    Row("llama", "LlamaForCausalLM", "llama", causal(8, 32), decoder(96, 4, 500)),
    Row("mistral", "MistralForCausalLM", "llama", causal(8, 32), decoder(128, 3, 800, sliding_window=16)),
    Row("qwen2", "Qwen2ForCausalLM", "llama", causal(8, 24), decoder(64, 4, 600)),
    Row("qwen3", "Qwen3ForCausalLM", "llama", causal(8, 24), decoder(96, 3, 700, head_dim=32)),
    Row("gemma", "GemmaForCausalLM", "llama", causal(8, 24), decoder(64, 3, 900, head_dim=32)),
    Row(
        "gemma2",
        "Gemma2ForCausalLM",
        "llama",
        causal(8, 32),
        decoder(96, 4, 800, head_dim=32, query_pre_attn_scalar=32, sliding_window=16),
    ),
    Row(
        "gemma3_text",
        "Gemma3ForCausalLM",
        "llama",
        causal(8, 32),
        decoder(64, 6, 1000, head_dim=16, query_pre_attn_scalar=16, sliding_window=16),
    ),
    Row("olmo2", "Olmo2ForCausalLM", "llama", causal(8, 24), decoder(64, 4, 500, **SPECIAL)),
    Row("starcoder2", "Starcoder2ForCausalLM", "llama", causal(8, 32), decoder(96, 3, 400, **SPECIAL)),
    Row("stablelm", "StableLmForCausalLM", "llama", causal(8, 24), decoder(64, 3, 300)),
    Row("phi3", "Phi3ForCausalLM", "llama", causal(8, 24), decoder(96, 3, 600, **SPECIAL)),
    Row("granite", "GraniteForCausalLM", "llama", causal(8, 24), decoder(64, 4, 400)),
    Row("cohere", "CohereForCausalLM", "llama", causal(8, 24), decoder(128, 2, 700, **SPECIAL)),
    Row("glm", "GlmForCausalLM", "llama", causal(8, 24), decoder(64, 3, 500, head_dim=16, **SPECIAL)),
    Row("nemotron", "NemotronForCausalLM", "llama", causal(8, 24), decoder(96, 3, 500, head_dim=24)),
    Row("apertus", "ApertusForCausalLM", "llama", causal(8, 32), decoder(64, 4, 600)),
    Row("diffllama", "DiffLlamaForCausalLM", "diffllama", causal(8, 24), decoder(64, 3, 400)),
    Row("nanochat", "NanoChatForCausalLM", "nanochat", causal(8, 32), decoder(96, 3, 500, num_key_value_heads=4)),
    Row("bitnet", "BitNetForCausalLM", "llama", causal(8, 24), decoder(64, 3, 500, **SPECIAL)),
)

MIXTURES = (
    Row("mixtral", "MixtralForCausalLM", "mixtral", causal(8, 32), decoder(64, 2, 500, num_local_experts=4)),
    Row(
        "qwen2_moe",
        "Qwen2MoeForCausalLM",
        "mixtral",
        causal(8, 24),
        decoder(64, 3, 600, moe_intermediate_size=64, shared_expert_intermediate_size=128)
        | {"num_experts": 8, "num_experts_per_tok": 2},
    ),
    Row("olmoe", "OlmoeForCausalLM", "mixtral", causal(8, 32), decoder(64, 2, 400, **SPECIAL, num_experts=16)),
    Row("phimoe", "PhimoeForCausalLM", "phimoe", causal(8, 24), decoder(64, 2, 400, num_local_experts=4)),
    Row("granitemoe", "GraniteMoeForCausalLM", "granitemoe", causal(8, 24), decoder(64, 3, 300, num_local_experts=4)),
    Row(
        "jetmoe",
        "JetMoeForCausalLM",
        "jetmoe",
        causal(8, 24),
        {"vocab_size": 400, "hidden_size": 64, "num_hidden_layers": 2, "num_key_value_heads": 2, "kv_channels": 16}
        | {"intermediate_size": 128, "max_position_embeddings": 64, "num_local_experts": 4},
    ),
    Row(
        "dbrx",
        "DbrxForCausalLM",
        "dbrx",
        causal(8, 24),
        {"vocab_size": 500, "d_model": 64, "n_heads": 4, "n_layers": 2, "max_seq_len": 64}
        | {
            "attn_config": {"kv_n_heads": 2, "clip_qkv": 8.0, "rope_theta": 10000.0},
            "ffn_config": {"hidden_size": 64, "ffn_hidden_size": 128},
        },
    ),
    Row(
        "deepseek_v3",
        "DeepseekV3ForCausalLM",
        "deepseek",
        causal(8, 24),
        decoder(
            64, 3, 500, num_key_value_heads=4, moe_intermediate_size=64, n_routed_experts=8, first_k_dense_replace=1
        )
        | {"kv_lora_rank": 32, "q_lora_rank": 48, "qk_rope_head_dim": 8, "qk_nope_head_dim": 16, "v_head_dim": 16}
        | {"n_group": 2, "topk_group": 1, "num_experts_per_tok": 2},
    ),
    Row(
        "deepseek_v2",
        "DeepseekV2ForCausalLM",
        "deepseek",
        causal(8, 24),
        decoder(96, 2, 400, num_key_value_heads=4, moe_intermediate_size=64, n_routed_experts=8)
        | {"kv_lora_rank": 32, "q_lora_rank": 48, "qk_rope_head_dim": 8, "qk_nope_head_dim": 16, "v_head_dim": 24}
        | {"num_experts_per_tok": 2},
    ),
    Row(
        "gpt_oss",
        "GptOssForCausalLM",
        "gpt_oss",
        causal(8, 32),
        decoder(64, 2, 500, head_dim=16, num_local_experts=8, num_experts_per_tok=2, sliding_window=16),
    ),
    Row(
        "llama4_text",
        "Llama4ForCausalLM",
        "llama4",
        causal(8, 32),
        decoder(64, 4, 500, head_dim=16, intermediate_size_mlp=160, num_local_experts=4),
    ),
)

RECURRENT = (
    Row(
        "mamba",
        "MambaForCausalLM",
        "mamba",
        causal(6, 16),
        {"vocab_size": 400, "hidden_size": 64, "num_hidden_layers": 3, "time_step_rank": 4},
    ),
    Row(
        "falcon_mamba",
        "FalconMambaForCausalLM",
        "mamba",
        causal(6, 16),
        {"vocab_size": 300, "hidden_size": 64, "num_hidden_layers": 2, "time_step_rank": 4},
    ),
    Row(
        "mamba2",
        "Mamba2ForCausalLM",
        "mamba2",
        causal(6, 32),
        {"vocab_size": 500, "hidden_size": 64, "num_hidden_layers": 3, "num_heads": 8, "head_dim": 16}
        | {"state_size": 16, "n_groups": 2, "chunk_size": 16},
    ),
    Row(
        "bamba",
        "BambaForCausalLM",
        "bamba",
        causal(6, 32),
        decoder(64, 3, 400, attn_layer_indices=[1], mamba_n_heads=8, mamba_d_head=16, mamba_d_state=16)
        | {"mamba_chunk_size": 16},
    ),
    Row(
        "jamba",
        "JambaForCausalLM",
        "jamba",
        causal(6, 16),
        decoder(64, 4, 300, num_experts=4, attn_layer_period=4, attn_layer_offset=2, mamba_dt_rank=4),
    ),
    Row(
        "zamba",
        "ZambaForCausalLM",
        "zamba",
        causal(6, 16),
        decoder(64, 6, 300, num_key_value_heads=4, attn_layer_period=3, attn_layer_offset=2)
        | {"attention_hidden_size": 128, "attention_head_dim": 32, "mamba_dt_rank": 4},
    ),
    Row(
        "zamba2",
        "Zamba2ForCausalLM",
        "zamba",
        causal(6, 32),
        decoder(64, 4, 400, num_key_value_heads=4, mamba_d_state=16, n_mamba_heads=8, chunk_size=16, adapter_rank=8)
        | {"layers_block_type": ["linear_attention", "linear_attention", "hybrid", "linear_attention"]},
    ),
    Row(
        "falcon_h1",
        "FalconH1ForCausalLM",
        "bamba",
        causal(6, 32),
        decoder(64, 2, 500, mamba_d_ssm=128, mamba_n_heads=8, mamba_d_head=16, mamba_d_state=16, mamba_chunk_size=16),
    ),
    Row(
        "granitemoehybrid",
        "GraniteMoeHybridForCausalLM",
        "bamba",
        causal(6, 32),
        decoder(64, 3, 400, mamba_n_heads=8, mamba_d_head=16, mamba_d_state=16, mamba_chunk_size=16)
        | {"layer_types": ["linear_attention", "full_attention", "linear_attention"], "num_local_experts": 4}
        | {"shared_intermediate_size": 128},
    ),
    Row(
        "rwkv",
        "RwkvForCausalLM",
        "rwkv",
        causal(6, 16),
        {"vocab_size": 400, "hidden_size": 64, "attention_hidden_size": 64, "intermediate_size": 256}
        | {"num_hidden_layers": 3, "context_length": 64},
    ),
    Row(
        "recurrent_gemma",
        "RecurrentGemmaForCausalLM",
        "recurrent_gemma",
        causal(6, 16),
        {"vocab_size": 500, "hidden_size": 64, "intermediate_size": 192, "num_hidden_layers": 3, "lru_width": 64}
        | {"num_attention_heads": 4, "num_key_value_heads": 2, "attention_window_size": 16},
    ),
    Row(
        "xlstm",
        "xLSTMForCausalLM",
        "xlstm",
        causal(4, 16),
        {"vocab_size": 400, "hidden_size": 64, "embedding_dim": 64, "num_hidden_layers": 2, "num_blocks": 2}
        | {"num_heads": 4, "chunk_size": 16, "mode": "train"},
    ),
    Row(
        "lfm2",
        "Lfm2ForCausalLM",
        "lfm2",
        causal(8, 32),
        decoder(64, 4, 500, layer_types=["conv", "conv", "full_attention", "conv"], block_multiple_of=32),
    ),
    Row(
        "qwen3_next",
        "Qwen3NextForCausalLM",
        "qwen3_next",
        causal(6, 32),
        decoder(64, 4, 500, head_dim=16, moe_intermediate_size=64, shared_expert_intermediate_size=64, num_experts=8)
        | {"linear_key_head_dim": 16, "linear_value_head_dim": 16, "linear_num_key_heads": 2, "num_experts_per_tok": 2}
        | {"linear_num_value_heads": 4},
    ),
    Row(
        "nemotron_h",
        "NemotronHForCausalLM",
        "nemotron_h",
        causal(6, 32),
        {"vocab_size": 400, "hidden_size": 64, "intermediate_size": 192, "num_attention_heads": 4, "head_dim": 16}
        | {"num_key_value_heads": 2, "ssm_state_size": 16, "mamba_num_heads": 8, "mamba_head_dim": 16, "n_groups": 2}
        | {"chunk_size": 16, "moe_intermediate_size": 64, "moe_shared_expert_intermediate_size": 64},
    ),
    Row(
        "minimax",
        "MiniMaxForCausalLM",
        "minimax",
        causal(8, 32),
        decoder(64, 2, 400, num_local_experts=4, block_size=16),
    ),
    Row(
        "olmo_hybrid",
        "OlmoHybridForCausalLM",
        "qwen3_next",
        causal(6, 24),
        decoder(64, 4, 400, num_key_value_heads=4, linear_num_key_heads=4, linear_num_value_heads=4, **SPECIAL)
        | {"linear_key_head_dim": 12, "linear_value_head_dim": 24},
    ),
)

ENCODERS = (
    Row("bert", "BertForMaskedLM", "bert", masked(8, 32), encoder(96, 4, 500)),
    Row("roberta", "RobertaForMaskedLM", "bert", masked(8, 24), encoder(64, 3, 700)),
    Row("camembert", "CamembertForSequenceClassification", "bert", texts(8, 24), encoder(64, 4, 400, num_labels=3)),
    Row("xlm-roberta", "XLMRobertaForTokenClassification", "bert", tagged(8, 24), encoder(96, 3, 900, num_labels=7)),
    Row("megatron-bert", "MegatronBertForMaskedLM", "bert", masked(8, 24), encoder(64, 4, 600)),
    Row("electra", "ElectraForMaskedLM", "bert", masked(8, 32), encoder(128, 3, 500, embedding_size=64)),
    Row(
        "layoutlm",
        "LayoutLMForTokenClassification",
        "bert",
        tagged(6, 24, boxes=True),
        encoder(64, 3, 500, num_labels=5),
    ),
    Row(
        "distilbert",
        "DistilBertForSequenceClassification",
        "bert",
        texts(8, 32),
        {"vocab_size": 500, "dim": 96, "hidden_dim": 384, "n_layers": 3, "n_heads": 4, "max_position_embeddings": 64}
        | {"num_labels": 4},
    ),
    Row("squeezebert", "SqueezeBertForMaskedLM", "bert", masked(8, 24), encoder(64, 3, 400, embedding_size=64)),
    Row("mpnet", "MPNetForMaskedLM", "bert", masked(8, 24), encoder(64, 3, 500)),
    Row("roformer", "RoFormerForMaskedLM", "bert", masked(8, 32), encoder(96, 3, 500, embedding_size=96)),
    Row("nomic_bert", "NomicBertForMaskedLM", "bert", masked(8, 24), encoder(64, 3, 600, head_dim=16)),
    Row(
        "rembert",
        "RemBertForMaskedLM",
        "bert",
        masked(8, 24),
        encoder(64, 3, 800, **SPECIAL) | {"input_embedding_size": 32, "output_embedding_size": 96},
    ),
    Row("albert", "AlbertForMaskedLM", "albert", masked(8, 32), encoder(128, 4, 500, embedding_size=64)),
    Row(
        "mobilebert",
        "MobileBertForMaskedLM",
        "mobilebert",
        masked(8, 24),
        encoder(128, 3, 500, embedding_size=32, intra_bottleneck_size=64, intermediate_size=128),
    ),
    Row("convbert", "ConvBertForMaskedLM", "convbert", masked(8, 24), encoder(96, 3, 400, embedding_size=64)),
    Row("deberta", "DebertaForMaskedLM", "deberta", masked(8, 24), encoder(64, 3, 500, pooler_hidden_size=64)),
    Row(
        "deberta-v2",
        "DebertaV2ForQuestionAnswering",
        "deberta",
        spans(8, 24),
        encoder(
            96, 3, 600, relative_attention=True, pos_att_type=["p2c", "c2p"], position_buckets=16, share_att_key=True
        )
        | {"norm_rel_ebd": "layer_norm", "pooler_hidden_size": 96},
    ),
    Row(
        "fnet",
        "FNetForMaskedLM",
        "fnet",
        masked(8, 32, with_mask=False),
        {"vocab_size": 500, "hidden_size": 64, "num_hidden_layers": 4, "intermediate_size": 256}
        | {"max_position_embeddings": 64},
    ),
    Row(
        "funnel",
        "FunnelForMaskedLM",
        "funnel",
        masked(8, 32),
        {"vocab_size": 500, "d_model": 64, "n_head": 4, "d_head": 16, "d_inner": 256, "block_sizes": [1, 1, 1]},
    ),
    Row(
        "nystromformer",
        "NystromformerForMaskedLM",
        "nystromformer",
        masked(8, 32, with_mask=False),
        encoder(64, 3, 500, num_landmarks=8, segment_means_seq_len=32, conv_kernel_size=9),
    ),
    Row("yoso", "YosoForMaskedLM", "nystromformer", masked(8, 32), encoder(64, 3, 400)),
    Row("big_bird", "BigBirdForMaskedLM", "bert", masked(8, 32), encoder(64, 3, 500, attention_type="original_full")),
    Row("longformer", "LongformerForMaskedLM", "longformer", masked(6, 32), encoder(64, 3, 500, attention_window=8)),
    Row("esm", "EsmForMaskedLM", "esm", masked(8, 32), encoder(96, 4, 33, pad_token_id=1, mask_token_id=4)),
    Row(
        "modernbert",
        "ModernBertForMaskedLM",
        "modernbert",
        masked(8, 32),
        encoder(96, 4, 600, **SPECIAL, cls_token_id=1, sep_token_id=2, local_attention=16),
    ),
    Row(
        "modernbert-decoder",
        "ModernBertDecoderForCausalLM",
        "modernbert",
        causal(8, 32),
        encoder(64, 4, 500, **SPECIAL, cls_token_id=1, sep_token_id=2, local_attention=16),
    ),
    Row("eurobert", "EuroBertForMaskedLM", "llama", masked(8, 24), decoder(64, 3, 400, **SPECIAL, mask_token_id=4)),
    Row(
        "canine",
        "CanineForSequenceClassification",
        "canine",
        texts(6, 64, vocabulary=200),
        {"hidden_size": 64, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 4, "num_labels": 3}
        | {"max_position_embeddings": 256, "num_hash_buckets": 512, "local_transformer_stride": 32},
    ),
    Row(
        "perceiver",
        "PerceiverForMaskedLM",
        "perceiver",
        masked(6, 32, name="inputs"),
        {
            "num_latents": 16,
            "d_latents": 96,
            "d_model": 64,
            "num_self_attends_per_block": 3,
            "num_self_attention_heads": 4,
        }
        | {"num_cross_attention_heads": 4, "max_position_embeddings": 32, "qk_channels": 64, "v_channels": 96},
    ),
    Row(
        "xlm",
        "XLMWithLMHeadModel",
        "xlm",
        masked(8, 24),
        {"vocab_size": 400, "emb_dim": 64, "n_layers": 3, "n_heads": 4, "max_position_embeddings": 64},
    ),
    Row(
        "flaubert",
        "FlaubertWithLMHeadModel",
        "xlm",
        masked(8, 24),
        {"vocab_size": 500, "emb_dim": 96, "n_layers": 3, "n_heads": 4, "max_position_embeddings": 64},
    ),
    Row(
        "xlnet",
        "XLNetLMHeadModel",
        "xlnet",
        permuted(8, 24),
        {"vocab_size": 500, "d_model": 64, "n_layer": 3, "n_head": 4, "d_inner": 256, "d_head": 16},
    ),
    Row(
        "reformer",
        "ReformerModelWithLMHead",
        "reformer",
        causal(4, 64),
        {"hidden_size": 64, "attention_head_size": 16, "num_attention_heads": 4, "feed_forward_size": 128}
        | {"attn_layers": ["local", "lsh", "local"], "num_hidden_layers": 3, "is_decoder": True, "num_buckets": 4}
        | {"axial_pos_shape": [8, 8], "axial_pos_embds_dim": [32, 32], "max_position_embeddings": 64}
        | {"local_attn_chunk_length": 16, "lsh_attn_chunk_length": 16},
    ),
)

TRANSLATORS = (
    Row("t5", "T5ForConditionalGeneration", "t5", translated(8, 24, 16), t5(64, 3, 500)),
    Row("mt5", "MT5ForConditionalGeneration", "t5", translated(8, 24, 16), t5(96, 2, 800)),
    Row("umt5", "UMT5ForConditionalGeneration", "t5", translated(8, 24, 16), t5(64, 2, 600)),
    Row("longt5", "LongT5ForConditionalGeneration", "t5", translated(6, 32, 16), t5(64, 2, 400, local_radius=7)),
    Row(
        "switch_transformers",
        "SwitchTransformersForConditionalGeneration",
        "t5",
        translated(6, 24, 16),
        t5(64, 2, 500, num_experts=4, num_sparse_encoder_layers=1, num_sparse_decoder_layers=1),
    ),
    Row("bart", "BartForConditionalGeneration", "bart", translated(8, 24, 16), bart(64, 3, 500)),
    Row("mbart", "MBartForConditionalGeneration", "bart", translated(8, 24, 16), bart(96, 2, 700)),
    Row("pegasus", "PegasusForConditionalGeneration", "bart", translated(8, 32, 16), bart(64, 2, 600)),
    Row(
        "marian",
        "MarianMTModel",
        "bart",
        translated(8, 24, 24),
        bart(64, 3, 400, decoder_vocab_size=400, pad_token_id=3, decoder_start_token_id=3),
    ),
    Row("blenderbot", "BlenderbotForConditionalGeneration", "bart", translated(8, 24, 16), bart(128, 2, 500)),
    Row("m2m_100", "M2M100ForConditionalGeneration", "bart", translated(8, 24, 16), bart(64, 2, 900)),
    Row(
        "fsmt",
        "FSMTForConditionalGeneration",
        "fsmt",
        translated(8, 24, 16, shifted=True),
        bart(64, 2, 400, src_vocab_size=400, tgt_vocab_size=400),
    ),
    Row(
        "led",
        "LEDForConditionalGeneration",
        "longformer",
        translated(6, 32, 16),
        bart(64, 2, 500, attention_window=8, max_encoder_position_embeddings=64, max_decoder_position_embeddings=64),
    ),
    Row(
        "prophetnet",
        "ProphetNetForConditionalGeneration",
        "prophetnet",
        translated(6, 24, 16),
        {
            "vocab_size": 400,
            "hidden_size": 64,
            "max_position_embeddings": 64,
            "encoder_ffn_dim": 256,
            "decoder_ffn_dim": 256,
        }
        | {"num_encoder_layers": 2, "num_decoder_layers": 2, "num_encoder_attention_heads": 4}
        | {"num_decoder_attention_heads": 4},
    ),
)

ROWS = (*GPTS, *LLAMAS, *MIXTURES, *RECURRENT, *ENCODERS, *TRANSLATORS)
