import Files
import Formats
import Infer
import Kernels

struct RerankOptions: MachineOptions {
    var machine = MachineSettings()
    var model: String?
    var question: String?
    var texts: [String] = []
    var file: String?
    var precision = WeightPrecision.float32
}

extension Command {
    static var rerank: Command {
        Command(
            "rerank",
            "Order passages by how well they answer a question, with a reranker.",
            RerankOptions(),
            [
                OptionGroup("Main options", [
                    .option("model", \.model, value: "MODEL", "Use this reranker: a folder with a BERT that scores.").positional(),
                    .option("question", \.question, value: "TEXT", "Compare passages with this question.").positional(),
                    .list("passage", \.texts, value: "PASSAGE", "Score PASSAGE.").positionalOnly(),
                    .option("file", \.file, value: "FILE",
                            "Score the lines of FILE, or of standard input (-); \\n means a line break."),
                    .encoderPrecision(\.precision),
                ]),
                OptionGroup("Machine", RerankOptions.machineOptions),
            ],
            examples: ["slm rerank ms-marco-MiniLM-L6-v2 'how do I reset the pump' 'Hold both keys.' 'Water the tomatoes.'"]
        ) { options in
            guard let path = options.model, let question = options.question else {
                throw UsageError("slm rerank: expected a model and a question: slm rerank MODEL QUESTION PASSAGE….")
            }
            let texts = try options.texts + EmbedOptions.texts(of: options.file)
            if texts.isEmpty { throw UsageError("slm rerank: expected passages after the question, or --file FILE.") }
            let model = try EmbeddingModel(path, for: .reranking, on: try options.processor(), precision: options.precision)
            let scores = model.scores(of: texts, for: question)
            for i in scores.indices.sorted(by: { scores[$0] > scores[$1] }) {
                printLine(JSONLine(["score": .exact(Double(scores[i])), "index": .whole(i), "text": .text(texts[i])]))
            }
        }
    }
}
