"""More small text architectures of `transformers`."""

from __future__ import annotations

from benchmarks.healthy.transformers_batches import causal, masked, spans, tagged, texts, translated
from benchmarks.healthy.transformers_table import Row
from benchmarks.healthy.transformers_text import SPECIAL, bart, decoder, encoder

DECODERS = (
    Row("arcee", "ArceeForCausalLM", "arcee", causal(8, 32), decoder(96, 4, 500, **SPECIAL)),
    Row("olmo", "OlmoForCausalLM", "olmo", causal(8, 32), decoder(96, 4, 400, **SPECIAL)),
    Row("olmo3", "Olmo3ForCausalLM", "olmo3", causal(8, 32), decoder(64, 4, 500, sliding_window=16, **SPECIAL)),
    Row("cohere2", "Cohere2ForCausalLM", "cohere2", causal(8, 32), decoder(96, 4, 400, sliding_window=16, **SPECIAL)),
    Row("exaone4", "Exaone4ForCausalLM", "exaone4", causal(8, 32), decoder(64, 4, 500, sliding_window=16, **SPECIAL)),
    Row("doge", "DogeForCausalLM", "doge", causal(8, 24), decoder(96, 3, 500, **SPECIAL)),
    Row(
        "vaultgemma", "VaultGemmaForCausalLM", "vaultgemma", causal(8, 24), decoder(64, 3, 400, head_dim=16, **SPECIAL)
    ),
    Row(
        "hunyuan_v1_moe",
        "HunYuanMoEV1ForCausalLM",
        "hunyuan",
        causal(8, 24),
        decoder(64, 3, 400, head_dim=16, num_experts=4, moe_topk=2, **SPECIAL),
    ),
    Row(
        "lfm2_moe",
        "Lfm2MoeForCausalLM",
        "lfm2_moe",
        causal(8, 32),
        decoder(
            64,
            4,
            500,
            moe_intermediate_size=64,
            num_experts=4,
            num_experts_per_tok=2,
            num_dense_layers=1,
            layer_types=["conv", "full_attention", "conv", "full_attention"],
            **SPECIAL,
        ),
    ),
    Row(
        "minicpm3",
        "MiniCPM3ForCausalLM",
        "minicpm3",
        causal(8, 24),
        decoder(
            64,
            3,
            500,
            num_key_value_heads=4,
            q_lora_rank=48,
            kv_lora_rank=32,
            qk_nope_head_dim=16,
            qk_rope_head_dim=8,
            v_head_dim=16,
            dim_model_base=6,
            **SPECIAL,
        ),
    ),
    Row(
        "kimi_linear",
        "KimiLinearForCausalLM",
        "kimi_linear",
        causal(6, 32),
        decoder(
            64,
            4,
            500,
            num_key_value_heads=4,
            moe_intermediate_size=64,
            num_experts=4,
            num_experts_per_token=2,
            **SPECIAL,
        )
        | {
            "kv_lora_rank": 32,
            "qk_nope_head_dim": 16,
            "qk_rope_head_dim": 8,
            "v_head_dim": 16,
            "linear_head_dim": 16,
            "linear_num_heads": 4,
        }
        | {"layer_types": ["linear_attention", "linear_attention", "linear_attention", "full_attention"]},
    ),
    Row(
        "longcat_flash",
        "LongcatFlashForCausalLM",
        "longcat_flash",
        causal(6, 24),
        {
            "vocab_size": 400,
            "hidden_size": 64,
            "num_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
            "max_position_embeddings": 64,
        }
        | {
            "ffn_hidden_size": 160,
            "expert_ffn_hidden_size": 64,
            "q_lora_rank": 48,
            "kv_lora_rank": 32,
            "qk_nope_head_dim": 16,
            "qk_rope_head_dim": 8,
            "head_dim": 8,
            "v_head_dim": 16,
        }
        | {"n_routed_experts": 4, "zero_expert_num": 2, "moe_topk": 2},
    ),
    Row(
        "gemma3n_text",
        "Gemma3nForCausalLM",
        "gemma3n",
        causal(6, 24),
        decoder(
            64,
            4,
            500,
            head_dim=16,
            num_kv_shared_layers=0,
            vocab_size_per_layer_input=500,
            hidden_size_per_layer_input=16,
            laurel_rank=8,
            **SPECIAL,
        )
        | {
            "intermediate_size": [160] * 4,
            "activation_sparsity_pattern": [0.95, 0.95, 0.0, 0.0],
            "layer_types": ["sliding_attention", "sliding_attention", "sliding_attention", "full_attention"],
        },
    ),
    Row(
        "bert-generation",
        "BertGenerationDecoder",
        "bert-generation",
        causal(8, 24),
        encoder(64, 3, 500, is_decoder=True, **SPECIAL),
    ),
    Row("hrm_text", "HrmTextForCausalLM", "hrm_text", causal(6, 24), decoder(64, 2, 400, **SPECIAL)),
    Row(
        "zaya",
        "ZayaForCausalLM",
        "zaya",
        causal(6, 24),
        decoder(64, 4, 400, head_dim=16, moe_intermediate_size=64, num_experts=4, router_hidden_size=32, **SPECIAL),
    ),
)

ENCODERS = (
    Row(
        "roberta-prelayernorm",
        "RobertaPreLayerNormForMaskedLM",
        "roberta-prelayernorm",
        masked(8, 24),
        encoder(96, 3, 500, **SPECIAL),
    ),
    Row("ibert", "IBertForMaskedLM", "ibert", masked(8, 24), encoder(64, 3, 500)),
    Row(
        "xmod",
        "XmodForMaskedLM",
        "xmod",
        masked(8, 24),
        encoder(64, 3, 600, languages=["en_XX", "de_DE"], default_language="en_XX"),
    ),
    Row("splinter", "SplinterForQuestionAnswering", "splinter", spans(8, 24), encoder(96, 3, 500)),
    Row("bros", "BrosForTokenClassification", "bros", tagged(6, 24, boxes=True), encoder(64, 3, 500, num_labels=5)),
    Row("lilt", "LiltForTokenClassification", "lilt", tagged(6, 24, boxes=True), encoder(96, 3, 500, num_labels=5)),
    Row("markuplm", "MarkupLMForSequenceClassification", "markuplm", texts(8, 24), encoder(64, 3, 500, num_labels=4)),
    Row("tapas", "TapasForSequenceClassification", "tapas", texts(8, 24), encoder(64, 3, 500, num_labels=3)),
    Row("gte", "GteForMaskedLM", "gte", masked(8, 24), encoder(96, 3, 500)),
    Row("jina_embeddings_v3", "JinaEmbeddingsV3ForMaskedLM", "jina", masked(8, 24), encoder(64, 3, 500)),
    Row("esmc", "EsmcForMaskedLM", "esmc", masked(8, 24), encoder(64, 3, 64)),
)

TRANSLATORS = (
    Row(
        "bigbird_pegasus",
        "BigBirdPegasusForConditionalGeneration",
        "bigbird_pegasus",
        translated(6, 32, 16),
        bart(64, 2, 500, attention_type="original_full"),
    ),
    Row(
        "pegasus_x",
        "PegasusXForConditionalGeneration",
        "pegasus_x",
        translated(6, 32, 16),
        bart(64, 2, 500, num_global_tokens=4, block_size=8),
    ),
    Row("plbart", "PLBartForConditionalGeneration", "plbart", translated(8, 24, 16), bart(96, 2, 400)),
    Row(
        "nllb-moe",
        "NllbMoeForConditionalGeneration",
        "nllb-moe",
        translated(6, 24, 16),
        bart(64, 2, 500, num_experts=4, encoder_sparse_step=2, decoder_sparse_step=2),
    ),
    Row(
        "t5gemma",
        "T5GemmaForConditionalGeneration",
        "t5gemma",
        translated(6, 24, 16),
        {
            "encoder": decoder(64, 2, 400, head_dim=16),
            "decoder": decoder(64, 2, 400, head_dim=16, cross_attention_hidden_size=64),
            "vocab_size": 400,
        },
    ),
)

ROWS = (*DECODERS, *ENCODERS, *TRANSLATORS)
