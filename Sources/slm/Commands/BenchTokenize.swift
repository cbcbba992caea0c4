import Files
import Glibc
import Kernels
import Tokenize

struct BenchTokenizeOptions {
    var text = ""
    var vocabularySize = 16_387
}

extension Command {
    static var benchTokenize: Command {
        Command("bench tokenize", "How fast a vocabulary is learned, and text encoded.", BenchTokenizeOptions(), [
            .option("text", \.text, "FILE"),
            .option("vocab-size", \.vocabularySize, in: 256...10_000_000, "Tokens in all."),
        ], example: "slm bench tokenize --text FILE") { options in
            let file = open(options.text, O_RDONLY)
            var buffer = [UInt8](repeating: 0, count: 1 << 18), filled = 0
            var counts = try WordCounts(cutting: .gpt2)
            var encoder: Encoder?
            func eachBlock(_ body: (inout Int) -> Void) {}
            let t0 = secondsSpent {
                lseek(file, 0, SEEK_SET)
                while true {
                    let n = buffer.withUnsafeMutableBytes { read(file, $0.baseAddress! + filled, $0.count - filled) }
                    if n <= 0 { break }
                    filled += n
                    let used = try! counts.add(buffer.span.extracting(first: filled), isLast: false)
                    buffer.withUnsafeMutableBytes { _ = memmove($0.baseAddress!, $0.baseAddress! + used, filled - used) }
                    filled -= used
                }
                _ = try! counts.add(buffer.span.extracting(first: filled), isLast: true)
            }
            var learner = VocabularyLearner(size: options.vocabularySize)
            learner.specials = ["<|user|>", "<|assistant|>", "<|eos|>", "<|pad|>"]
            var n = 0, bytes = 0
            counts.forEach { w, c in n += 1; bytes += w.count }
            var vocabulary = Vocabulary()
            let s1 = clock(); vocabulary = learner.learn(from: counts); let t1 = Double(clock() - s1) * 1e-6
            say("count \(t0) learn \(t1) peak \(CPU.peakMemory >> 20) words \(n) bytes \(bytes)")
            let tokenizer = try Tokenizer(vocabulary)
            if let other = getenv("OTHER") {
                let text = try InputFile.contents(of: String(cString: other))
                var ids: [TokenID] = []
                var encoder = try Encoder(tokenizer)
                let t = secondsSpent { try! encoder.encode(text.span, into: &ids) }
                say("whole \(t) ids \(ids.count) peak \(CPU.peakMemory >> 20) \(tokenizer.bytes(of: ids) == text)")
                return
            }
            for bits in [16, 17] {
                filled = 0
                encoder = try Encoder(tokenizer, remembering: bits)
                var total = 0
                var ids: [TokenID] = []
                let t2 = secondsSpent {
                    lseek(file, 0, SEEK_SET)
                    while true {
                        let n = buffer.withUnsafeMutableBytes { read(file, $0.baseAddress! + filled, $0.count - filled) }
                        if n <= 0 { break }
                        filled += n
                        ids.removeAll(keepingCapacity: true)
                        let used = try! encoder!.encode(buffer.span.extracting(first: filled), isLast: false, into: &ids)
                        total += ids.count
                        buffer.withUnsafeMutableBytes { _ = memmove($0.baseAddress!, $0.baseAddress! + used, filled - used) }
                        filled -= used
                    }
                }
                say("bits \(bits) encode \(t2) ids \(total) \(52.6 / t2) MB/s")
            }
        }
    }
}
