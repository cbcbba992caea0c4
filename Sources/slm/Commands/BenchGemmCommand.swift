import Kernels

struct BenchGemmOptions: MachineOptions {
    var machine = MachineSettings()
    var precision: TrainingPrecisionOption?
    var json = false
    var runs = 7
    var only = ""
}

extension Command {
    static var benchGemm: Command {
        Command(
            "bench gemm",
            "Measure matmuls, which limit all other speeds.",
            BenchGemmOptions(),
            [
                OptionGroup("Main options", [
                    .option("dtype", \.precision, "Measure only this data type.", default: "all that the CPU supports"),
                    .option("only", \.only, value: "TEXT", "Measure only matmuls whose name contains TEXT."),
                    .runs(\.runs, in: 1...10_000),
                    .json(\.json),
                ]),
                OptionGroup("Machine", BenchGemmOptions.machineOptions),
            ],
            examples: ["slm bench gemm --json"]
        ) { options in
            try options.run()
        }
    }
}

extension CommandOption {
    static func runs(_ path: WritableKeyPath<Options, Int>, in range: ClosedRange<Int>) -> CommandOption {
        option("runs", path, in: range, "Time N runs of each case and report the median.")
    }

    static func profile(_ path: WritableKeyPath<Options, Bool>) -> CommandOption {
        option("profile", path, "Print the time of each operation and its share of the machine's limit.")
    }
}

extension BenchGemmOptions {
    fileprivate func run() throws {
        let processor = try processor()
        let shapes = GemmShape.all.filter { only.isEmpty || $0.name.contains(only) }
        if shapes.isEmpty {
            let names = GemmShape.all.map(\.name).joined(separator: "; ")
            throw UsageError("slm bench gemm: --only: no matmul is named '\(only)'. Names: \(names).")
        }
        let precisions: [DataType] = switch precision {
        case nil, .auto: processor.hasBFloat16 ? [.float32, .bfloat16] : [.float32]
        case .f32?: [.float32]
        case .bf16?: [processor.precision(for: .bf16)]
        }
        for precision in precisions {
            for shape in shapes { report(shape, shape.measured(on: processor, in: precision, runs: runs), precision, processor) }
        }
    }

    private func report(_ shape: GemmShape, _ gflops: Double, _ precision: DataType, _ processor: Processor) {
        if json {
            printLine(JSONLine([
                "bench": "gemm",
                "case": "\(shape) \(precision.rawValue)",
                "layer": .text(shape.name),
                "blas": .text(processor.blas.rawValue),
                "kernels": .text(processor.instructionSet),
                "threads": .whole(processor.threads),
                "gflops": .number(gflops),
            ]))
        } else {
            printLine("\(shape.name.padded(to: 32)) \("\(shape)".padded(to: 18)) \(precision.rawValue)  \(Int(gflops.rounded())) GFLOP/s")
        }
    }
}

/// A matmul of training, for one part of a batch of the eugpt preset unless the name says otherwise.
private struct GemmShape: CustomStringConvertible {
    /// y = x·Wᵀ, dx = dy·W or dW += dyᵀ·x.
    enum Pass { case forward, inputGradient, weightGradient }

    let name: String
    let M, N, K: Int
    let pass: Pass
    /// Whether the result is f32 for any data type: logits, and gradients of weights.
    var hasFloat32Result = false

    var description: String { "\(M)x\(N)x\(K)" }

    static let all: [GemmShape] = [
        GemmShape(name: "qkv", M: 1_536, N: 1_536, K: 512, pass: .forward),
        GemmShape(name: "output", M: 1_536, N: 512, K: 512, pass: .forward),
        GemmShape(name: "up", M: 1_536, N: 2_048, K: 512, pass: .forward),
        GemmShape(name: "down", M: 1_536, N: 512, K: 2_048, pass: .forward),
        GemmShape(name: "head", M: 1_536, N: 16_387, K: 512, pass: .forward, hasFloat32Result: true),
        GemmShape(name: "qkv, input gradient", M: 1_536, N: 512, K: 1_536, pass: .inputGradient),
        GemmShape(name: "up, input gradient", M: 1_536, N: 512, K: 2_048, pass: .inputGradient),
        GemmShape(name: "down, input gradient", M: 1_536, N: 2_048, K: 512, pass: .inputGradient),
        GemmShape(name: "head, input gradient", M: 1_536, N: 512, K: 16_387, pass: .inputGradient),
        GemmShape(name: "GPT-2's head, input gradient", M: 1_024, N: 768, K: 50_257, pass: .inputGradient),
        GemmShape(name: "qkv, weight gradient", M: 1_536, N: 512, K: 1_536, pass: .weightGradient, hasFloat32Result: true),
        GemmShape(name: "output, weight gradient", M: 512, N: 512, K: 1_536, pass: .weightGradient, hasFloat32Result: true),
        GemmShape(name: "up, weight gradient", M: 2_048, N: 512, K: 1_536, pass: .weightGradient, hasFloat32Result: true),
        GemmShape(name: "down, weight gradient", M: 512, N: 2_048, K: 1_536, pass: .weightGradient, hasFloat32Result: true),
        GemmShape(name: "head, weight gradient", M: 16_387, N: 512, K: 1_536, pass: .weightGradient, hasFloat32Result: true),
        GemmShape(name: "square", M: 2_048, N: 2_048, K: 2_048, pass: .inputGradient),
    ]

    /// The median speed in GFLOP/s.
    func measured(on processor: Processor, in precision: DataType, runs: Int) -> Double {
        // As in training: weights are f32, activations have the data type of the matmul, and rows begin on cache lines.
        let rowStride = (K + 31) / 32 * 32
        let left = switch pass {
        case .forward, .inputGradient: Matrix(filled(processor, M * rowStride, precision), rows: M, columns: K, rowStride: rowStride)
        case .weightGradient: Matrix(filled(processor, K * M, precision), rows: K, columns: M).transposed
        }
        let right = switch pass {
        case .forward: Matrix(filled(processor, N * K, .float32), rows: N, columns: K).transposed
        case .inputGradient: Matrix(filled(processor, K * N, .float32), rows: K, columns: N)
        case .weightGradient: Matrix(filled(processor, K * N, precision), rows: K, columns: N)
        }
        let c = processor.buffer(of: M * N, hasFloat32Result ? .float32 : precision)
        processor.clear(c)
        var matmul = Matmul(of: left, right, into: Matrix(c, rows: M, columns: N))
        matmul.precision = processor.hasBFloat16 ? precision : .float32
        matmul.accumulates = pass == .weightGradient
        let seconds = (0..<runs + 2).map { _ in measureSeconds { processor.run(matmul, as: "bench") } }.dropFirst(2)
        return Double(matmul.flops) * 1e-9 / median(Array(seconds))
    }

    private func filled(_ processor: Processor, _ count: Int, _ precision: DataType) -> Buffer {
        let random = processor.buffer(of: count, .float32)
        processor.uniform(into: random, seed: 1)
        if precision == .float32 { return random }
        let result = processor.buffer(of: count, precision)
        processor.apply(.identity, random, into: result)
        return result
    }
}
