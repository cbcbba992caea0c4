import Autograd
import Checkpoint
import Formats
import Glibc
import Kernels
import Model
import Testing
import TestSupport
import Tokenize

/// Folders and GGUF files of embedding models and rerankers.
@Suite struct EncoderFileTests {
    private let folder = TemporaryFolder()
    private let sample = SampleBERT()

    /// The folder with one file changed, or removed.
    private func changed(_ name: String, _ change: (String) -> String?) -> String {
        let path = sample.write(to: folder, "bert")
        unlink(folder("bert/" + name))
        if let text = change(String(decoding: sample.files[name] ?? [], as: UTF8.self)) { folder.write(text, to: "bert/" + name) }
        return path
    }

    private func message(_ name: String, _ change: (String) -> String?) -> String {
        let path = changed(name, change), error = #expect(throws: CheckpointError.self) { try EncoderFile(path) }
        return error.map { $0.description.replacing(path + "/", with: "").replacing(path, with: "folder") } ?? ""
    }

    @Test func `a folder is read with its pooling, its longest text and its prefixes`() throws {
        let path = sample.write(to: folder, "bert"), opened = try EncoderFile(path)
        #expect(EncoderFile.isEncoder(path) && opened.bert?.configuration.layers == 2 && opened.input.context == 24)
        #expect(opened.pooling.mode == .mean && opened.pooling.isNormalized && opened.input.queryPrefix.isEmpty)
        folder.write(#"{"max_seq_length": 9}"#, to: "bert/sentence_bert_config.json")
        folder.write(#"{"prompts": {"query": "q: ", "passage": "p: "}}"#, to: "bert/config_sentence_transformers.json")
        folder.write(#"{"pooling_mode": "cls"}"#, to: "bert/1_Pooling/config.json")
        let other = try EncoderFile(path)
        #expect(other.input.context == 9 && other.input.queryPrefix == "q: " && other.input.passagePrefix == "p: ")
        #expect(other.pooling.mode == .cls && other.digest != opened.digest)
        for name in ["modules.json", "sentence_bert_config.json", "config_sentence_transformers.json"] { unlink(folder("bert/" + name)) }
        let bare = try EncoderFile(path)
        #expect(bare.pooling.mode == .mean && !bare.pooling.isNormalized && bare.input.context == 24)
    }

    @Test func `queries, keys and values are one matrix`() throws {
        let processor = try Processor(threads: 1), values = processor.buffer(of: 3 * 144, .float32)
        let file = try #require(EncoderFile(sample.write(to: folder, "bert")).bert), (model, parameters) = file.model(on: processor)
        let matrix = try #require(parameters.quantized(model.blocks[1].qkv.weight))
        processor.dequantize(matrix, into: values)
        let expected = ["query", "key", "value"].flatMap { part in
            sample.tensors.first { $0.name == "encoder.layer.1.attention.self.\(part).weight" }?.numbers ?? []
        }
        #expect(values.array == expected)
    }

    @Test func `the digest is of the weights, the tokens and the settings`() throws {
        let digest = try EncoderFile(sample.write(to: folder, "bert")).digest
        #expect(try EncoderFile(sample.write(to: folder, "copy")).digest == digest)
        #expect(try EncoderFile(changed("vocab.txt") { $0.replacing("pump", with: "pomp") }).digest != digest)
        #expect(try EncoderFile(changed("1_Pooling/config.json") { _ in #"{"pooling_mode_cls_token": true}"# }).digest != digest)
        var bytes = sample.files["model.safetensors"] ?? []
        bytes[bytes.count - 2] ^= 1
        sample.write(to: folder, "bert")
        folder.write(bytes, to: "bert/model.safetensors")
        #expect(try EncoderFile(folder("bert")).digest != digest)
    }

    @Test func `what slm does not compute is refused`() {
        #expect(message("config.json") { $0.replacing("\"bert\"", with: "\"electra\"") }
            == "config.json: model_type: expected one of bert, roberta, xlm-roberta, distilbert, mpnet, nomic_bert, modernbert, "
                + "found 'electra'.")
        #expect(message("config.json") { $0.replacing("\"type_vocab_size\"", with: "\"is_decoder\": true, \"type_vocab_size\"") }
            == "config.json: is_decoder: expected false, the only supported value, found true.")
        #expect(message("config.json") { $0.replacing("_heads\": 3", with: "_heads\": 5") }
            == "config.json: num_attention_heads: expected a divisor of hidden_size 12, found 5.")
        #expect(message("config.json") { $0.replacing("_layers\": 2", with: "_layers\": 3") }
            == "folder: tensor 'encoder.layer.2.attention.self.query.weight': expected a tensor [12, 12], found nothing.")
        #expect(message("config.json") { $0.replacing("_layers\": 2", with: "_layers\": 1000") }
            == "config.json: num_hidden_layers: expected no more layers than the 37 tensors of the weights make, found 1000.")
        #expect(message("modules.json") { $0.replacing("Normalize\"", with: "Dense\"") }
            == "modules.json: type: expected Transformer, StaticEmbedding, Pooling or Normalize, "
                + "found 'sentence_transformers.models.Dense'.")
        #expect(message("1_Pooling/config.json") { _ in #"{"pooling_mode_max_tokens": true}"# }
            == "1_Pooling/config.json: pooling_mode: expected pooling_mode_mean_tokens, pooling_mode_cls_token or "
                + "pooling_mode_lasttoken, found pooling_mode_max_tokens.")
        #expect(message("1_Pooling/config.json") { _ in #"{"pooling_mode_lasttoken": true}"# }
            == "folder: pooling_mode: expected the mean of all tokens (pooling_mode_mean_tokens), or the first one "
                + "(pooling_mode_cls_token), found lasttoken.")
        #expect(message("vocab.txt") { _ in nil }
            == "folder: tokenizer: expected one that slm can read, "
                + "found folder: cannot be read: it has neither tokenizer.json nor vocab.txt.")
        #expect(message("vocab.txt") { $0 + "more\n" }
            == "folder: tokenizer: expected at most 14 tokens, the model's vocabulary size, found 15.")
        #expect(message("model.safetensors") { _ in nil }
            == "folder: cannot be read: it contains neither model.safetensors nor model.safetensors.index.json.")
    }

    @Test func `DistilBERT and MPNet have other names, no kinds of tokens, and other positions`() throws {
        let distilled = try EncoderFile(SampleBERT { $0.family = .distilbert }.write(to: folder, "distilbert"))
        #expect(distilled.architecture == "distilbert" && distilled.bert?.configuration.tokenTypes == 0 && distilled.input.context == 24)
        let mpnet = try EncoderFile(SampleBERT { $0.family = .mpnet }.write(to: folder, "mpnet"))
        let c = try #require(mpnet.bert).configuration
        #expect(c.firstPosition == 2 && c.distanceBuckets == 32 && mpnet.input.context == 24)
        #expect(EncoderFile.isEncoder(folder("mpnet")) && c.layers == 2)
        let wrong = SampleBERT { $0.family = .mpnet; $0.settings = #", "relative_attention_num_buckets": 30"# }
        let error = #expect(throws: CheckpointError.self) { try EncoderFile(wrong.write(to: folder, "wrong")) }
        #expect(error?.description.contains("relative_attention_num_buckets: expected a multiple of 4, found 30") == true)
    }

    @Test func `RoBERTa has positions after those of padding, and layers of its own for a score`() throws {
        let path = SampleBERT { $0.family = .roberta; $0.isReranker = true }.write(to: folder, "roberta"), opened = try EncoderFile(path)
        #expect(opened.bert?.configuration.firstPosition == 2 && opened.bert?.configuration.tokenTypes == 1 && opened.input.context == 24)
        #expect(opened.purpose == .reranking)
        let (model, parameters) = try #require(opened.bert).model(on: Processor(threads: 1))
        #expect(model.scoreHead != nil && parameters.quantized(model.blocks[0].up.weight) != nil)
        let short = SampleBERT { $0.family = .roberta; $0.settings = #", "pad_token_id": 26"# }.write(to: folder, "short")
        let error = #expect(throws: CheckpointError.self) { try EncoderFile(short) }
        #expect(error?.description.contains("max_position_embeddings: expected more than 27, found 26") == true)
    }

    @Test(arguments: [SampleBERT.Family.bert, .nomic, .modern], [false, true])
    func `a GGUF file has the same model`(family: SampleBERT.Family, isReranker: Bool) throws {
        if family != .bert, isReranker { return }
        let sample = SampleBERT { $0.isReranker = isReranker; $0.family = family }, processor = try Processor(threads: 1)
        folder.write(sample.gguf.bytes, to: "bert.gguf")
        let path = folder("bert.gguf"), file = try EncoderFile(path), other = try EncoderFile(sample.write(to: folder, "bert"))
        #expect(EncoderFile.isEncoder(path) && file.purpose == other.purpose)
        #expect(file.bert?.configuration == other.bert?.configuration && file.pooling == other.pooling && file.input.context == 24)
        #expect(file.input.tokens(of: "the pumps reset?", as: .plain) == other.input.tokens(of: "the pumps reset?", as: .plain))
        let values = [file, other].compactMap(\.bert).map { file in
            let parameters = file.model(on: processor).parameters
            return parameters.list.map { parameter in
                let buffer = processor.buffer(of: parameter.shape.count, .float32)
                if let matrix = parameters.quantized(parameter) {
                    processor.dequantize(matrix, into: buffer)
                } else {
                    buffer.copy(from: parameters.value(of: parameter).elements)
                }
                return buffer.array
            }
        }
        #expect(values[0] == values[1])
    }

    @Test(arguments: [
        ("bert.pooling_type", GGUFBytes.u32(3), "bert.pooling_type: expected 1 or 2: the mean of all tokens, or the first one, found 3."),
        ("bert.attention.head_count", GGUFBytes.u32(5), "bert.attention.head_count: expected a divisor of the 12 channels, found 5."),
        ("bert.block_count", GGUFBytes.u32(3), "tensor 'blk.2.attn_q.weight': expected a tensor [12, 12], found nothing."),
        ("bert.block_count", GGUFBytes.u32(1_000), "expected no more layers than the 37 tensors of the weights make, found 1000."),
        ("tokenizer.ggml.model", GGUFBytes.text("gpt2"), "tokenizer.ggml.model: expected bert (WordPiece) or t5 (Unigram), found gpt2."),
        ("tokenizer.ggml.seperator_token_id", GGUFBytes.u32(99), "seperator_token_id: expected a whole number from 0 to 13, found 99."),
    ]) func `impossible GGUF files are refused`(key: String, value: [UInt8], message: String) {
        var file = sample.gguf
        file.set(key, value)
        folder.write(file.bytes, to: "bert.gguf")
        do {
            _ = try EncoderFile(folder("bert.gguf"))
            Issue.record("accepted")
        } catch { #expect("\(error)".hasSuffix(message), "\(error)") }
    }

    @Test func `damaged GGUF files are read or refused`() throws {
        let whole = SampleBERT { $0.isReranker = true }.gguf.bytes, processor = try Processor(threads: 1)
        var mutator = Mutator(seed: 22, words: ["bert", "t5", "weight", "blk.0", "▁", "\u{0}\u{0}\u{0}\u{1}"]), counts = [0, 0]
        for _ in 0..<fuzzRounds(default: 1_000) {
            var bytes = whole
            mutator.damage(&bytes, in: 0..<min(bytes.count, 5_000))
            folder.write(bytes, to: "bert.gguf")
            do {
                let opened = try EncoderFile(folder("bert.gguf"))
                _ = opened.bert?.model(on: processor)
                _ = opened.input.tokens(of: "the pump", with: "valve")
                counts[0] += 1
            } catch {
                #expect("\(error)".contains(folder.path) && "\(error)".utf8.count < 2_000, "\("\(error)".prefix(300))")
                counts[1] += 1
            }
        }
        #expect(counts.allSatisfy { $0 > 0 }, "\(counts)")
    }

    @Test func `options of nomic-bert that slm lacks are refused`() throws {
        let path = SampleBERT { $0.family = .nomic }.write(to: folder, "nomic"), opened = try EncoderFile(path)
        let c = try #require(opened.bert).configuration
        #expect(c.rotary?.base == 1_000 && c.isGated && !c.hasAttentionBias && !c.hasMLPBias)
        try expectRefused(.nomic, [
            (#", "prenorm": true"#, "prenorm: expected false"),
            (#", "activation_function": "gelu""#, "activation_function: expected swiglu"),
            (#", "n_head": 12"#, "expected a share of the 1 channels"), (#", "n_layer": 9"#, "no more layers than the"),
        ])
    }

    /// Checks the errors for config.json with one field changed.
    private func expectRefused(
        _ family: SampleBERT.Family, isReranker: Bool = false, _ cases: [(setting: String, message: String)]
    ) throws {
        for (setting, message) in cases {
            let path = try write(family, isReranker: isReranker, setting)
            do {
                _ = try EncoderFile(path)
                Issue.record("accepted: \(setting)")
            } catch { #expect("\(error)".contains(message), "\(error)") }
        }
    }

    /// A folder whose config.json has one field changed, or more fields.
    private func write(_ family: SampleBERT.Family, isReranker: Bool = false, _ setting: String) throws -> String {
        let sample = SampleBERT { $0.family = family; $0.isReranker = isReranker }
        let key = setting.dropFirst(3).prefix { $0 != "\"" }
        let text = sample.configuration.replacing("\"\(key)\"", with: "\"other\"").dropLast() + setting + "}"
        sample.write(to: folder, "changed")
        folder.write(String(text), to: "changed/config.json")
        return folder("changed")
    }

    @Test func `ModernBERT has norms before its layers, layers with a window, and byte-level BPE`() throws {
        let path = SampleBERT { $0.family = .modern; $0.layers = 5 }.write(to: folder, "modern"), opened = try EncoderFile(path)
        let c = try #require(opened.bert).configuration, blocks = try #require(opened.bert).model(on: Processor(threads: 1)).model.blocks
        #expect(c.isPreNorm && c.isGated && c.tokenTypes == 0 && !c.hasNormBias && !c.hasAttentionBias && !c.hasMLPBias)
        #expect(blocks.map(\.reach) == [nil, 8, nil, 8, nil] && blocks.map { $0.rotary?.base } == [5_000, 100, 5_000, 100, 5_000])
        #expect(blocks.map { $0.attentionNorm != nil } == [false, true, true, true, true] && blocks[0].norm1 == nil)
        let tokens = opened.input.tokenizer
        #expect(tokens.kind == "byte-level BPE" && opened.architecture == "modernbert" && opened.input.context == 24)
        // e and U+0301 are one letter in NFC. Special tokens in a text are text.
        func bytes(_ text: String) -> [TokenID] { text.utf8.map { 4 + TokenID($0) } }
        let cls: [TokenID] = [2], pum: [TokenID] = [261], separator: [TokenID] = [3]
        let text = Array([cls, bytes("a "), pum, bytes("p \u{E9}"), separator].joined())
        #expect(opened.input.tokens(of: "a pump e\u{301}", as: .plain) == text)
        let pair = Array([cls, bytes("[SEP]"), separator, bytes("b"), separator].joined())
        #expect(opened.input.tokens(of: "[SEP]", with: "b") == pair)
    }

    @Test func `the fields of transformers 5 for ModernBERT replace older ones`() throws {
        func configuration(_ setting: String) throws -> BERTConfiguration {
            try #require(EncoderFile(write(.modern, setting)).bert).configuration
        }
        let older = try configuration(""), newer = try configuration(
            #", "layer_types": ["sliding_attention", "full_attention"], "rope_parameters": "#
                + #"{"full_attention": {"rope_theta": 7000.0, "rope_type": "default"}, "sliding_attention": {"rope_theta": 70.0}}"#)
        var expected = older
        expected.rotary = RotaryPositions(base: 7_000)
        expected.local = BERTConfiguration.LocalAttention(layers: [0], reach: 8, rotary: RotaryPositions(base: 70))
        #expect(newer == expected)
        let global = try configuration(#", "global_attn_every_n_layers": 1"#), base = try configuration(#", "local_rope_theta": null"#)
        #expect(global.local == nil && global.rotary == older.rotary && base.local?.rotary == older.rotary)
    }

    @Test func `options of ModernBERT that slm lacks are refused`() throws {
        try expectRefused(.modern, [
            (#", "layer_types": ["full_attention", "chunked_attention"]"#, "layer_types: expected full_attention and sliding_attention"),
            (#", "layer_types": ["full_attention"]"#, "layer_types: expected one for each of the 2 layers, found 1"),
            (#", "hidden_activation": "mish""#, "hidden_activation: expected one of gelu_new"),
            (#", "local_attention": -1"#, "local_attention: expected a whole number from 1 to"),
            (#", "rope_scaling": {"rope_type": "dynamic", "factor": 2}"#, "rope_type: expected default, linear"),
            (#", "num_attention_heads": 12"#, "head_dim: expected an even number of channels in a head, found 1"),
            (#", "attention_bias": true"#, "tensor 'layers.0.attn.Wqkv.bias': expected a tensor [36], found nothing"),
            (#", "mlp_bias": true"#, "tensor 'layers.0.mlp.Wi.bias': expected a tensor [40], found nothing"),
            (#", "norm_bias": true"#, "tensor 'embeddings.norm.bias': expected a tensor [12], found nothing"),
        ])
        try expectRefused(.modern, isReranker: true, [
            (#", "classifier_pooling": "max""#, "classifier_pooling: expected cls or mean, found 'max'"),
            (#", "classifier_activation": "mish""#, "classifier_activation: expected one of gelu_new"),
            (#", "classifier_bias": true"#, "tensor 'head.dense.bias': expected a tensor [12], found nothing"),
        ])
        let opened = try EncoderFile(SampleBERT { $0.family = .modern; $0.isReranker = true }.write(to: folder, "reranker"))
        let score = try #require(opened.bert?.configuration.score)
        #expect(score.isMean && score.hasNorm && !score.hasBias && score.activation == .exactGELU && opened.purpose == .reranking)
    }

    @Test(arguments: [
        ("modern-bert.rope.freq_base", GGUFBytes.text("x"), "modern-bert.rope.freq_base: expected a number from 1.0 to 1000000000000.0"),
        ("modern-bert.hidden_activation", GGUFBytes.text("mish"), "modern-bert.hidden_activation: expected gelu or silu, found mish"),
        ("modern-bert.attention.sliding_window_pattern", GGUFBytes.array(7, count: 1, [1]), "expected one for each of the 2 layers"),
        ("modern-bert.pooling_type", GGUFBytes.u32(4), "modern-bert.pooling_type: expected 1 or 2"),
        ("tokenizer.ggml.model", GGUFBytes.text("llama"), "tokenizer.ggml.model: expected gpt2 (byte-level BPE), found llama"),
    ]) func `impossible GGUF files of ModernBERT are refused`(key: String, value: [UInt8], message: String) {
        var file = SampleBERT { $0.family = .modern }.gguf
        file.set(key, value)
        folder.write(file.bytes, to: "modern.gguf")
        do {
            _ = try EncoderFile(folder("modern.gguf"))
            Issue.record("accepted")
        } catch { #expect("\(error)".contains(message), "\(error)") }
    }

    @Test func `a head with one label makes a reranker, which is no embedding model`() throws {
        let path = SampleBERT { $0.isReranker = true }.write(to: folder, "reranker"), opened = try EncoderFile(path, for: .reranking)
        #expect(opened.purpose == .reranking && opened.scoreFunction == .sigmoid && opened.bert?.configuration.hasScore == true)
        let refused = #expect(throws: CheckpointError.self) { try EncoderFile(path, for: .embedding) }
        #expect(refused?.description.contains("expected an embedding model, found a reranker") == true, "\(String(describing: refused))")
        let bert = sample.write(to: folder, "bert")
        let other = #expect(throws: CheckpointError.self) { try EncoderFile(bert, for: .reranking) }
        #expect(other?.description.contains("expected a reranker") == true, "\(String(describing: other))")
        let wrong = SampleBERT { $0.isReranker = true; $0.settings = #", "sentence_transformers": {"activation_fn": "torch.nn.ReLU"}"# }
        let error = #expect(throws: CheckpointError.self) { try EncoderFile(wrong.write(to: folder, "wrong")) }
        #expect(error?.description.contains("expected torch.nn.Identity or torch.nn.Sigmoid, found 'torch.nn.ReLU'") == true)
    }

    @Test func `a folder without a model that generates text is refused`() throws {
        let path = sample.write(to: folder, "bert"), error = #expect(throws: CheckpointError.self) { try ModelFile(path) }
        #expect(error?.description == "\(path)/config.json: model_type: expected a model that generates text, found 'bert', "
            + "an embedding model or a reranker: --embedding-model MODEL, or --reranker MODEL.")
    }

    @Test(arguments: SampleBERT.Family.allCases) func `damaged folders are read or refused`(family: SampleBERT.Family) throws {
        let sample = SampleBERT { $0.family = family; $0.isReranker = [.bert, .roberta, .modern].contains(family) }
        let files = sample.files, processor = try Processor(threads: 1)
        let words = [
            "null", "-1", "0", "1e9", "16777216", "\"bert\"", "{}", "[]", "\"type\"", "\"path\":\"..\"", "F16", "data_offsets", "[0,16]",
        ]
        var mutator = Mutator(seed: 21, words: words), counts = [0, 0]
        sample.write(to: folder, "bert")
        for _ in 0..<fuzzRounds(default: 1_000) {
            let names = files.keys.sorted(), name = names[mutator.random.below(names.count)]
            var bytes = files[name] ?? []
            // The header of the weights; damage elsewhere would only change numbers.
            mutator.damage(&bytes, in: 0..<min(bytes.count, 4_000))
            folder.write(bytes, to: "bert/" + name)
            do {
                let opened = try EncoderFile(folder("bert"))
                _ = opened.bert?.model(on: processor)
                _ = opened.input.tokens(of: "the pump", as: .query, limit: opened.input.context)
                counts[0] += 1
            } catch {
                let message = "\(error)"
                #expect(message.contains(folder.path) && message.utf8.count < 2_000, "\(message.prefix(300))")
                counts[1] += 1
            }
            folder.write(files[name] ?? [], to: "bert/" + name)
        }
        #expect(counts.allSatisfy { $0 > 0 }, "\(counts)")
    }
}
