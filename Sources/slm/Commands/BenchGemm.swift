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
                    .option("runs", \.runs, in: 1...10_000, "Timed runs of each case; the median counts."),
                    .option("only", \.only, "Only products whose name contains this."),
                    .option("json", \.json, "One JSON object a line."),
                ], example: "slm bench gemm --json") { options in
            let processor = try options.processor()
            let shapes = GemmShape.all.filter { options.only.isEmpty || $0.name.contains(options.only) }
            if shapes.isEmpty {
                let names = GemmShape.all.map(\.name).joined(separator: "; ")
                throw UsageError("slm bench gemm: no product is named '\(options.only)'. Names: \(names).")
            }
            let types: [DataType] = switch options.dtype {
            case nil, .auto: processor.hasBFloat16 ? [.float32, .bfloat16] : [.float32]
            case .f32?: [.float32]
            case .bf16?: [processor.dataType(for: .bf16)]
            }
            for type in types {
                for shape in shapes {
                    let gflops = shape.measured(on: processor, in: type, runs: options.runs)
                    if options.json {
                        say(
                            JSONLine([
                                "bench": "gemm", "case": "\(shape) \(type.rawValue)", "layer": .text(shape.name),
                                "blas": .text(processor.blas.rawValue),
                                "kernels": .text(processor.instructionSet), "threads": .whole(processor.threads), "gflops": .number(gflops),
                            ]))
                    } else {
                        say("\(shape.name.padded(to: 28)) \("\(shape)".padded(to: 18)) \(type.rawValue)  \(Int(gflops.rounded())) GFLOP/s")
                    }
                }
            }
        }
    }
}

/// A product that training asks for, for one part of a batch of eugpt's where nothing else is said.
private struct GemmShape: CustomStringConvertible {
    /// y = x·Wᵀ, dx = dy·W or dW += dyᵀ·x.
    enum Way { case forward, toInput, toWeight }

    let name: String
    let M, N, K: Int
    let way: Way
    /// Whether C is f32 in any type of product: scores, and gradients of weights.
    var isExact = false

    var description: String { "\(M)x\(N)x\(K)" }

    static let all: [GemmShape] = [
        GemmShape(name: "qkv", M: 1_536, N: 1_536, K: 512, way: .forward),
        GemmShape(name: "output", M: 1_536, N: 512, K: 512, way: .forward),
        GemmShape(name: "up", M: 1_536, N: 2_048, K: 512, way: .forward),
        GemmShape(name: "down", M: 1_536, N: 512, K: 2_048, way: .forward),
        GemmShape(name: "head", M: 1_536, N: 16_387, K: 512, way: .forward, isExact: true),
        GemmShape(name: "qkv, to its input", M: 1_536, N: 512, K: 1_536, way: .toInput),
        GemmShape(name: "up, to its input", M: 1_536, N: 512, K: 2_048, way: .toInput),
        GemmShape(name: "down, to its input", M: 1_536, N: 2_048, K: 512, way: .toInput),
        GemmShape(name: "head, to its input", M: 1_536, N: 512, K: 16_387, way: .toInput),
        GemmShape(name: "GPT-2's head, to its input", M: 1_024, N: 768, K: 50_257, way: .toInput),
        GemmShape(name: "qkv, to its weight", M: 1_536, N: 512, K: 1_536, way: .toWeight, isExact: true),
        GemmShape(name: "output, to its weight", M: 512, N: 512, K: 1_536, way: .toWeight, isExact: true),
        GemmShape(name: "up, to its weight", M: 2_048, N: 512, K: 1_536, way: .toWeight, isExact: true),
        GemmShape(name: "down, to its weight", M: 512, N: 2_048, K: 1_536, way: .toWeight, isExact: true),
        GemmShape(name: "head, to its weight", M: 16_387, N: 512, K: 1_536, way: .toWeight, isExact: true),
        GemmShape(name: "square", M: 2_048, N: 2_048, K: 2_048, way: .toInput),
    ]

    func measured(on processor: Processor, in type: DataType, runs: Int) -> Double {
        // As in training: weights are kept in f32, activations in the type of the products, and rows begin on cache lines.
        let wide = (K + 31) / 32 * 32
        let left = switch way {
        case .forward, .toInput: Matrix(filled(processor, M * wide, type), rows: M, columns: K, rowStride: wide)
        case .toWeight: Matrix(filled(processor, K * M, type), rows: K, columns: M).transposed
        }
        let right = switch way {
        case .forward: Matrix(filled(processor, N * K, .float32), rows: N, columns: K).transposed
        case .toInput: Matrix(filled(processor, K * N, .float32), rows: K, columns: N)
        case .toWeight: Matrix(filled(processor, K * N, type), rows: K, columns: N)
        }
        let c = processor.buffer(of: M * N, isExact ? .float32 : type)
        processor.clear(c)
        var product = Matmul(of: left, right, into: Matrix(c, rows: M, columns: N))
        product.precision = type
        product.accumulates = way == .toWeight
        let seconds = (0..<runs + 2).map { _ in measureSeconds { processor.run(product, as: "bench") } }.dropFirst(2)
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
