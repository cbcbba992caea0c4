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
        .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .systemLibrary(name: "CMicroHTTPD", pkgConfig: "libmicrohttpd", providers: [.apt(["libmicrohttpd-dev"])]),
        .systemLibrary(name: "CHDF5", pkgConfig: "hdf5", providers: [.apt(["libhdf5-dev"])]),
        .systemLibrary(name: "CYAML", providers: [.apt(["libyaml-dev"])]),
        .systemLibrary(name: "CSQLite"),
        .systemLibrary(name: "CPQ"),
        .systemLibrary(name: "CSodium", providers: [.apt(["libsodium-dev"])]),
        .systemLibrary(name: "CCrypt", providers: [.apt(["libcrypt-dev"])]),
        .systemLibrary(name: "CZlib", providers: [.apt(["zlib1g-dev"])]),
        .target(name: "CSimdjson", linkerSettings: [.linkedLibrary("simdjson")]),

        // Floor 0: arithmetic on buffers, threads, the CPU.
        .target(name: "CKernels", cSettings: [.headerSearchPath(".")] + (isCI ? [.treatAllWarnings(as: .error)] : [])),
        .target(name: "Kernels", dependencies: ["CKernels", "COpenBLAS", "CLAPACKE", "COneDNN", "Files"], swiftSettings: features),

        // … JSON, files of settings, and files that are written whole or not at all.
        .target(name: "JSON", dependencies: ["CSimdjson"], swiftSettings: features),
        .target(name: "Settings", dependencies: ["CYAML", "Terminal"], swiftSettings: features),
        .target(name: "Files", swiftSettings: features),

        // … and threads that wait for each other.
        .target(name: "Threads", swiftSettings: features),

        // … and what a person does at a terminal.
        .target(name: "Terminal", dependencies: ["Files"], swiftSettings: features),

        // … and asking other programs over HTTP.
        .target(name: "HTTPClient", dependencies: ["CCurl"], swiftSettings: features),

        // … and answering them.
        .target(name: "HTTPServer", dependencies: ["CMicroHTTPD", "Threads"], swiftSettings: features),

        // … and what nobody else may know; and packing bytes.
        .target(name: "Secrets", dependencies: ["JSON", "Files", "CSodium", "CCrypt"], swiftSettings: features),
        .target(name: "Gzip", dependencies: ["CZlib"], swiftSettings: features),

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
        .target(name: "Infer", dependencies: ["Checkpoint", "Tokenize", "Model", "Autograd", "Kernels", "JSON", "Threads", "HTTPClient"], swiftSettings: safe),

        // … and what people see of a training: its log, TensorBoard's events, pages with curves.
        .target(name: "Report", dependencies: ["JSON", "Files"], swiftSettings: features),

        // … and who said what.
        .target(name: "Store", dependencies: ["Threads", "CSQLite", "CPQ"], swiftSettings: features),

        // Floor 5: a conversation at the terminal.
        .target(name: "Chat", dependencies: ["Infer", "Corpus", "Tokenize", "JSON", "Files", "Terminal"], swiftSettings: features),

        // … and a server that people and programs chat with.
        .target(name: "CWebFiles"),
        .target(name: "Serve", dependencies: ["Infer", "Store", "HTTPServer", "Secrets", "Gzip", "Threads", "Tokenize", "Checkpoint", "Kernels", "JSON", "Files", "CWebFiles"], exclude: ["Web"], swiftSettings: features),

        // Floor 6: the command line.
        .executableTarget(name: "slm", dependencies: ["Serve", "Store", "Threads", "Secrets", "HTTPServer", "HTTPClient", "Chat", "Terminal", "Report", "Infer", "Train", "Checkpoint", "Corpus", "Tokenize", "Files", "JSON", "Settings", "Model", "Autograd", "Kernels"], swiftSettings: features),

        // The chats that `data/` ships, and nothing else: see data/README.md.
        .executableTarget(name: "sample-chats", swiftSettings: safe),

        // Tests, a target a module, and what they share.
        .target(name: "TestSupport", dependencies: ["Infer", "JSON", "Threads", "Checkpoint", "Model", "Tokenize", "Autograd", "Kernels", "Files"], path: "Tests/TestSupport", swiftSettings: features),
        .testTarget(name: "KernelsTests", dependencies: ["TestSupport", "Kernels", "CKernels"], swiftSettings: features),
        .testTarget(name: "AutogradTests", dependencies: ["TestSupport", "Autograd", "Kernels"], swiftSettings: features),
        .testTarget(name: "ModelTests", dependencies: ["TestSupport", "Model", "Autograd", "Kernels"], swiftSettings: features),
        .testTarget(name: "JSONTests", dependencies: ["TestSupport", "JSON"], swiftSettings: features),
        .testTarget(name: "SettingsTests", dependencies: ["TestSupport", "Settings"], swiftSettings: features),
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
        .testTarget(name: "CommandLineTests", dependencies: ["slm", "TestSupport", "Infer", "Threads", "Checkpoint"], swiftSettings: features),
        .testTarget(name: "TrainTests", dependencies: ["TestSupport", "Train", "Checkpoint", "Corpus", "Tokenize", "Files", "Model", "Autograd", "Kernels"], swiftSettings: features),
        .testTarget(name: "InferTests", dependencies: ["TestSupport", "Infer", "Checkpoint", "Tokenize", "Model", "Autograd", "Kernels", "JSON", "Threads", "HTTPClient"], swiftSettings: features),
        .testTarget(name: "ThreadsTests", dependencies: ["Threads"], swiftSettings: features),
        .testTarget(name: "HTTPClientTests", dependencies: ["TestSupport", "HTTPClient"], swiftSettings: features),
        .testTarget(name: "HTTPServerTests", dependencies: ["TestSupport", "HTTPServer", "Threads"], swiftSettings: features),
        .testTarget(name: "TerminalTests", dependencies: ["TestSupport", "Terminal", "Threads"], swiftSettings: features),
        .testTarget(name: "ChatTests", dependencies: ["TestSupport", "Chat", "Infer", "Corpus", "Tokenize", "Files"], swiftSettings: features),
        .testTarget(name: "ReportTests", dependencies: ["TestSupport", "Report", "JSON", "Files"], swiftSettings: features),
        // A program that writes into stores: to be killed at it, to run out of room, to be in the way.
        .executableTarget(name: "StoreWriter", dependencies: ["Store", "Threads"], path: "Tests/StoreWriter", swiftSettings: features),
        .testTarget(name: "StoreTests", dependencies: ["StoreWriter", "TestSupport", "Store", "Threads"], exclude: ["Schemas"], swiftSettings: features),
        .testTarget(name: "SecretsTests", dependencies: ["TestSupport", "Secrets", "Files", "JSON"], swiftSettings: features),
        // A program with parts of the server: to be killed at collecting chats, to run out of room, and for Prometheus's parser to read its figures.
        .executableTarget(name: "ServeParts", dependencies: ["Serve", "Files"], path: "Tests/ServeParts", swiftSettings: features),
        .testTarget(name: "ServeTests", dependencies: ["ServeParts", "TestSupport", "Serve", "Infer", "Store", "Secrets", "HTTPServer", "Threads", "Gzip", "Corpus", "Tokenize", "Checkpoint", "Kernels", "Files", "JSON"], swiftSettings: features),
        .testTarget(name: "SampleChatsTests", dependencies: ["sample-chats", "Files"], swiftSettings: features),
    ],
    cLanguageStandard: .gnu11,
    cxxLanguageStandard: .cxx17
)
