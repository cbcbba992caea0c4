import Kernels

struct BenchGemmOptions: MachineOptions {
    var threads: Int?
    var cpu: String?
    var blas: BLAS?
    var dtype: Precision?
    var json = false
    var runs = 7
    var only = ""
}

extension Command {
    static var benchGemm: Command {
        Command("bench gemm", "How fast matrices are multiplied: the ceiling that other figures are held against.", BenchGemmOptions(),
                BenchGemmOptions.rows + [
                    .option("dtype", \.dtype, "Only this type; both when not given."),
                    .option("runs", \.runs, "Timed runs of each case; the median counts."),
                    .option("only", \.only, "Only products whose name contains this."),
                    .option("json", \.json, "One JSON object a line."),
                ], example: "slm bench gemm --json") { options in
            let processor = try options.processor()
            let types: [DataType] = switch options.dtype {
            case nil, .auto: processor.hasBFloat16 ? [.float32, .bfloat16] : [.float32]
            case .f32?: [.float32]
            case .bf16?: [processor.dataType(for: .bf16)]
            }
            for type in types {
                for shape in GemmShape.all where options.only.isEmpty || shape.name.contains(options.only) {
                    let gflops = shape.measured(on: processor, in: type, runs: options.runs)
                    if options.json {
                        print(JSONLine(["bench": "gemm", "case": "\(shape) \(type.rawValue)", "layer": .text(shape.name), "blas": .text(processor.blas.rawValue),
                                        "kernels": .text(processor.path), "threads": .whole(processor.threads), "gflops": .number(gflops)]))
                    } else {
                        print("\(shape.name.padded(to: 28)) \("\(shape)".padded(to: 18)) \(type.rawValue)  \(Int(gflops.rounded())) GFLOP/s")
                    }
                }
            }
        }
    }
}

/// A product that training at eugpt's shape asks for, for one part of a batch.
private struct GemmShape: CustomStringConvertible {
    let name: String
    let M, N, K: Int
    let aIsTransposed, bIsTransposed: Bool
    let accumulates: Bool

    var description: String { "\(M)x\(N)x\(K)" }

    static let all: [GemmShape] = [
        forward("qkv", N: 1_536, K: 512), forward("output", N: 512, K: 512), forward("up", N: 2_048, K: 512), forward("down", N: 512, K: 2_048),
        input("qkv", N: 512, K: 1_536), input("up", N: 512, K: 2_048), input("down", N: 2_048, K: 512),
        weight("qkv", M: 1_536, N: 512), weight("output", M: 512, N: 512), weight("up", M: 2_048, N: 512), weight("down", M: 512, N: 2_048),
        GemmShape(name: "head", M: 512, N: 16_387, K: 512, aIsTransposed: false, bIsTransposed: true, accumulates: false),
        GemmShape(name: "head, to its input", M: 512, N: 512, K: 16_387, aIsTransposed: false, bIsTransposed: false, accumulates: false),
        GemmShape(name: "head, to its weight", M: 16_387, N: 512, K: 512, aIsTransposed: true, bIsTransposed: false, accumulates: true),
        GemmShape(name: "GPT-2's head, to its input", M: 1_024, N: 768, K: 50_257, aIsTransposed: false, bIsTransposed: false, accumulates: false),
        GemmShape(name: "square", M: 2_048, N: 2_048, K: 2_048, aIsTransposed: false, bIsTransposed: false, accumulates: false),
    ]

    private static func forward(_ name: String, N: Int, K: Int) -> GemmShape {
        GemmShape(name: name, M: 1_536, N: N, K: K, aIsTransposed: false, bIsTransposed: true, accumulates: false)
    }
    private static func input(_ name: String, N: Int, K: Int) -> GemmShape {
        GemmShape(name: "\(name), to its input", M: 1_536, N: N, K: K, aIsTransposed: false, bIsTransposed: false, accumulates: false)
    }
    private static func weight(_ name: String, M: Int, N: Int) -> GemmShape {
        GemmShape(name: "\(name), to its weight", M: M, N: N, K: 1_536, aIsTransposed: true, bIsTransposed: false, accumulates: true)
    }

    func measured(on processor: Processor, in type: DataType, runs: Int) -> Double {
        // As in training: weights are kept in f32, activations in the type of the products, gradients of weights in f32.
        let isHead = name == "head"
        let a = filled(processor, M * K, type), b = filled(processor, K * N, accumulates ? type : .float32)
        let c = filled(processor, M * N, accumulates || isHead ? .float32 : type)
        // Rows of scores are padded to cache lines, as in training.
        let padded = (K + 31) / 32 * 32
        let left = name.hasSuffix("head, to its input") ? Matrix(filled(processor, M * padded, type), rows: M, columns: K, rowStride: padded) : aIsTransposed ? Matrix(a, rows: K, columns: M).transposed : Matrix(a, rows: M, columns: K)
        let right = bIsTransposed ? Matrix(b, rows: N, columns: K).transposed : Matrix(b, rows: K, columns: N)
        var product = Product(of: left, right, into: Matrix(c, rows: M, columns: N))
        (product.precision, product.accumulates) = (type, accumulates)
        let seconds = (0..<runs + 2).map { _ in secondsSpent { processor.multiply(product, as: "bench") } }.dropFirst(2)
        return Double(product.flops) * 1e-9 / median(Array(seconds))
    }

    private func filled(_ processor: Processor, _ count: Int, _ type: DataType) -> Buffer {
        let random = processor.buffer(of: count, .float32)
        processor.uniform(into: random, seed: 1)
        if type == .float32 { return random }
        let result = processor.buffer(of: count, type)
        processor.apply(.identity, random, into: result)
        return result
    }
}
