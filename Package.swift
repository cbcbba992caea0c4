// swift-tools-version: 6.2
import PackageDescription

// One target a module, in the order of their floors: a target sees only what stands below it
// (Documentation/Architecture.md). In CI every warning is an error.
let isCI = Context.environment["CI"] != nil
let features: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
] + (isCI ? [.treatAllWarnings(as: .error)] : [])
let safe = features + [.strictMemorySafety()]

let package = Package(
    name: "slm",
    products: [.executable(name: "slm", targets: ["slm"])],
    targets: [
        // System libraries, each imported by one module alone.
        .systemLibrary(name: "COpenBLAS"),
        .systemLibrary(name: "CLAPACKE"),
        .systemLibrary(name: "COneDNN"),
        .systemLibrary(name: "CPCRE2"),
        .systemLibrary(name: "CXXHash"),
        .systemLibrary(name: "CHDF5", pkgConfig: "hdf5", providers: [.apt(["libhdf5-dev"])]),
        .target(name: "CSimdjson", linkerSettings: [.linkedLibrary("simdjson")]),

        // Floor 0: arithmetic on buffers, threads, the CPU.
        .target(name: "CKernels", cSettings: [.headerSearchPath(".")] + (isCI ? [.treatAllWarnings(as: .error)] : [])),
        .target(name: "Kernels", dependencies: ["CKernels", "COpenBLAS", "CLAPACKE", "COneDNN", "Files"], swiftSettings: features),

        // … JSON, and files that are written whole or not at all.
        .target(name: "JSON", dependencies: ["CSimdjson"], swiftSettings: features),
        .target(name: "Files", swiftSettings: features),

        // Floor 1: tensors, the tape, derivatives; bytes to ids and back.
        .target(name: "Autograd", dependencies: ["Kernels"], swiftSettings: safe),
        .target(name: "Tokenize", dependencies: ["Kernels", "CPCRE2", "JSON", "Files"], swiftSettings: features),

        // Floor 2: what a GPT is; files of chats, and the files of tokens made from them.
        .target(name: "Model", dependencies: ["Autograd"], swiftSettings: safe),
        .target(name: "Corpus", dependencies: ["Tokenize", "JSON", "Files", "Kernels"], swiftSettings: safe),

        // Floor 3: the file that a model is kept in.
        .target(name: "Checkpoint", dependencies: ["Model", "Tokenize", "Autograd", "Kernels", "JSON", "Files", "CHDF5", "CXXHash"], swiftSettings: features),

        // Floor 4: the loop that learns.
        .target(name: "Train", dependencies: ["Checkpoint", "Corpus", "Tokenize", "Files", "Model", "Autograd", "Kernels"], swiftSettings: safe),

        // … and the engine that answers.
        .target(name: "Infer", dependencies: ["Tokenize", "Model", "Autograd", "Kernels"], swiftSettings: safe),

        // … and what people see of a training: its log, TensorBoard's events, pages with curves.
        .target(name: "Report", dependencies: ["JSON", "Files"], swiftSettings: features),

        // Floor 6: the command line.
        .executableTarget(name: "slm", dependencies: ["Report", "Infer", "Train", "Checkpoint", "Corpus", "Tokenize", "Files", "JSON", "Model", "Autograd", "Kernels"], swiftSettings: features),

        // The chats that `data/` ships, and nothing else: see data/README.md.
        .executableTarget(name: "sample-chats", swiftSettings: safe),

        // Tests, a target a module, and what they share.
        .target(name: "TestSupport", dependencies: ["Checkpoint", "Model", "Tokenize", "Autograd", "Kernels", "Files"], path: "Tests/TestSupport", swiftSettings: features),
        .testTarget(name: "KernelsTests", dependencies: ["TestSupport", "Kernels", "CKernels"], swiftSettings: features),
        .testTarget(name: "AutogradTests", dependencies: ["TestSupport", "Autograd", "Kernels"], swiftSettings: features),
        .testTarget(name: "ModelTests", dependencies: ["TestSupport", "Model", "Autograd", "Kernels"], swiftSettings: features),
        .testTarget(name: "JSONTests", dependencies: ["TestSupport", "JSON"], swiftSettings: features),
        .testTarget(name: "FilesTests", dependencies: ["TestSupport", "Files"], swiftSettings: features),
        .testTarget(name: "TokenizeTests", dependencies: ["TestSupport", "Tokenize", "Kernels", "Files"], swiftSettings: features),
        // A program that writes checkpoints: to be killed at it, to run out of room, and for h5py to read what it wrote.
        .executableTarget(name: "CheckpointWriter", dependencies: ["TestSupport", "Checkpoint", "Model", "Autograd", "Kernels", "JSON"],
                          path: "Tests/CheckpointWriter", swiftSettings: features),
        // A program that prints what a checkpoint's model computes, for peers to compare.
        .executableTarget(name: "Logits", dependencies: ["Checkpoint", "Model", "Autograd", "Kernels", "Files"], path: "Tests/Logits", swiftSettings: features),
        // A program that reads damaged files of other programs, and measures what that takes.
        .target(name: "Watch", path: "Tests/Watch"),
        .executableTarget(name: "Mutants", dependencies: ["Watch", "TestSupport", "Kernels"], path: "Tests/Mutants", swiftSettings: features),
        .testTarget(name: "CheckpointTests", dependencies: ["CheckpointWriter", "TestSupport", "Checkpoint", "Model", "Tokenize", "Autograd", "Kernels", "Files"],
                    swiftSettings: features),
        .testTarget(name: "CorpusTests", dependencies: ["TestSupport", "Corpus", "Tokenize", "Files", "Kernels"], swiftSettings: features),
        .testTarget(name: "CommandLineTests", dependencies: ["slm", "TestSupport", "Checkpoint"], swiftSettings: features),
        .testTarget(name: "TrainTests", dependencies: ["TestSupport", "Train", "Checkpoint", "Corpus", "Tokenize", "Files", "Model", "Autograd", "Kernels"], swiftSettings: features),
        .testTarget(name: "InferTests", dependencies: ["TestSupport", "Infer", "Model", "Autograd", "Kernels"], swiftSettings: features),
        .testTarget(name: "ReportTests", dependencies: ["TestSupport", "Report", "JSON", "Files"], swiftSettings: features),
        .testTarget(name: "SampleChatsTests", dependencies: ["sample-chats", "Files"], swiftSettings: features),
    ],
    cLanguageStandard: .gnu11,
    cxxLanguageStandard: .cxx17
)
