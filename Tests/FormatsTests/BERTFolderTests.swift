import Autograd
import Checkpoint
import Formats
import Glibc
import Kernels
import Model
import Testing
import TestSupport

/// Folders of embedding models.
@Suite struct BERTFolderTests {
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
        let path = changed(name, change), error = #expect(throws: CheckpointError.self) { try BERTFolder(path) }
        return error.map { $0.description.replacing(path + "/", with: "").replacing(path, with: "folder") } ?? ""
    }

    @Test func `a folder is read with its pooling, its longest text and its prefixes`() throws {
        let path = sample.write(to: folder, "bert"), opened = try BERTFolder(path)
        #expect(BERTFolder.isBERT(path) && opened.configuration.layers == 2 && opened.input.context == 24)
        #expect(opened.pooling.mode == .mean && opened.pooling.isNormalized && opened.input.queryPrefix.isEmpty)
        folder.write(#"{"max_seq_length": 9}"#, to: "bert/sentence_bert_config.json")
        folder.write(#"{"prompts": {"query": "q: ", "passage": "p: "}}"#, to: "bert/config_sentence_transformers.json")
        folder.write(#"{"pooling_mode": "cls"}"#, to: "bert/1_Pooling/config.json")
        let other = try BERTFolder(path)
        #expect(other.input.context == 9 && other.input.queryPrefix == "q: " && other.input.passagePrefix == "p: ")
        #expect(other.pooling.mode == .cls && other.digest != opened.digest)
        for name in ["modules.json", "sentence_bert_config.json", "config_sentence_transformers.json"] { unlink(folder("bert/" + name)) }
        let bare = try BERTFolder(path)
        #expect(bare.pooling.mode == .mean && !bare.pooling.isNormalized && bare.input.context == 24)
    }

    @Test func `queries, keys and values are one matrix`() throws {
        let processor = try Processor(threads: 1), values = processor.buffer(of: 3 * 144, .float32)
        let (model, parameters) = try BERTFolder(sample.write(to: folder, "bert")).model(on: processor)
        let matrix = try #require(parameters.quantized(model.blocks[1].qkv.weight))
        processor.dequantize(matrix, into: values)
        let expected = ["query", "key", "value"].flatMap { part in
            sample.tensors.first { $0.name == "encoder.layer.1.attention.self.\(part).weight" }?.numbers ?? []
        }
        #expect(values.read { span in span.indices.map { span[$0] } } == expected)
    }

    @Test func `the digest is of the weights, the tokens and the settings`() throws {
        let digest = try BERTFolder(sample.write(to: folder, "bert")).digest
        #expect(try BERTFolder(sample.write(to: folder, "copy")).digest == digest)
        #expect(try BERTFolder(changed("vocab.txt") { $0.replacing("pump", with: "pomp") }).digest != digest)
        #expect(try BERTFolder(changed("1_Pooling/config.json") { _ in #"{"pooling_mode_cls_token": true}"# }).digest != digest)
        var bytes = sample.files["model.safetensors"] ?? []
        bytes[bytes.count - 2] ^= 1
        sample.write(to: folder, "bert")
        folder.write(bytes, to: "bert/model.safetensors")
        #expect(try BERTFolder(folder("bert")).digest != digest)
    }

    @Test func `what slm does not compute is refused`() {
        #expect(message("config.json") { $0.replacing("\"bert\"", with: "\"roberta\"") }
            == "config.json: model_type: expected one of bert, distilbert, mpnet, found 'roberta'.")
        #expect(message("config.json") { $0.replacing("\"type_vocab_size\"", with: "\"is_decoder\": true, \"type_vocab_size\"") }
            == "config.json: is_decoder: expected false, the only supported value, found true.")
        #expect(message("config.json") { $0.replacing("_heads\": 3", with: "_heads\": 5") }
            == "config.json: num_attention_heads: expected a divisor of hidden_size 12, found 5.")
        #expect(message("config.json") { $0.replacing("_layers\": 2", with: "_layers\": 3") }
            == "folder: tensor 'encoder.layer.2.attention.self.query.weight': expected a tensor [12, 12], found nothing.")
        #expect(message("config.json") { $0.replacing("_layers\": 2", with: "_layers\": 1000") }
            == "config.json: num_hidden_layers: expected no more layers than the 37 tensors of the weights make, found 1000.")
        #expect(message("modules.json") { $0.replacing("Normalize\"", with: "Dense\"") }
            == "modules.json: type: expected Transformer, Pooling or Normalize, found 'sentence_transformers.models.Dense'.")
        #expect(message("1_Pooling/config.json") { _ in #"{"pooling_mode_max_tokens": true}"# }
            == "1_Pooling/config.json: pooling_mode: expected pooling_mode_mean_tokens or pooling_mode_cls_token, "
                + "found pooling_mode_max_tokens.")
        #expect(message("vocab.txt") { _ in nil }
            == "folder: tokenizer: expected one that slm can read, "
                + "found folder: cannot be read: it has neither tokenizer.json nor vocab.txt.")
        #expect(message("vocab.txt") { $0 + "more\n" }
            == "folder: tokenizer: expected at most 14 tokens, the model's vocabulary size, found 15.")
        #expect(message("model.safetensors") { _ in nil }
            == "folder: cannot be read: it contains neither model.safetensors nor model.safetensors.index.json.")
    }

    @Test func `DistilBERT and MPNet have other names, no kinds of tokens, and other positions`() throws {
        let distilled = try BERTFolder(SampleBERT { $0.family = .distilbert }.write(to: folder, "distilbert"))
        #expect(distilled.architecture == "distilbert" && distilled.configuration.tokenTypes == 0 && distilled.input.context == 24)
        let mpnet = try BERTFolder(SampleBERT { $0.family = .mpnet }.write(to: folder, "mpnet"))
        #expect(mpnet.configuration.firstPosition == 2 && mpnet.configuration.distanceBuckets == 32 && mpnet.input.context == 24)
        #expect(BERTFolder.isBERT(folder("mpnet")) && mpnet.configuration.layers == 2)
        let wrong = SampleBERT { $0.family = .mpnet; $0.settings = #", "relative_attention_num_buckets": 30"# }
        let error = #expect(throws: CheckpointError.self) { try BERTFolder(wrong.write(to: folder, "wrong")) }
        #expect(error?.description.contains("relative_attention_num_buckets: expected a multiple of 4, found 30") == true)
    }

    @Test func `a head with one label makes a reranker, which is no embedding model`() throws {
        let path = SampleBERT { $0.isReranker = true }.write(to: folder, "reranker"), opened = try BERTFolder(path, for: .reranking)
        #expect(opened.purpose == .reranking && opened.scoreFunction == .sigmoid && opened.configuration.hasScore)
        let refused = #expect(throws: CheckpointError.self) { try BERTFolder(path, for: .embedding) }
        #expect(refused?.description.contains("expected an embedding model, found a reranker") == true, "\(String(describing: refused))")
        let bert = sample.write(to: folder, "bert"), other = #expect(throws: CheckpointError.self) { try BERTFolder(bert, for: .reranking) }
        #expect(other?.description.contains("expected a reranker") == true, "\(String(describing: other))")
        let wrong = SampleBERT { $0.isReranker = true; $0.settings = #", "sentence_transformers": {"activation_fn": "torch.nn.ReLU"}"# }
        let error = #expect(throws: CheckpointError.self) { try BERTFolder(wrong.write(to: folder, "wrong")) }
        #expect(error?.description.contains("expected torch.nn.Identity or torch.nn.Sigmoid, found 'torch.nn.ReLU'") == true)
    }

    @Test func `a folder without a model that generates text is refused`() throws {
        let path = sample.write(to: folder, "bert"), error = #expect(throws: CheckpointError.self) { try ModelFile(path) }
        #expect(error?.description == "\(path)/config.json: model_type: expected a model that generates text, found 'bert', "
            + "an embedding model or a reranker: --embedding-model FOLDER, or --reranker FOLDER.")
    }

    @Test(arguments: SampleBERT.Family.allCases) func `damaged folders are read or refused`(family: SampleBERT.Family) throws {
        let sample = SampleBERT { $0.family = family; $0.isReranker = family == .bert }
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
                let opened = try BERTFolder(folder("bert"))
                _ = opened.model(on: processor)
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
