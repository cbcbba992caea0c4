// swift-tools-version: 6.2
import PackageDescription

// One target per module, lowest layer first. A target can import only what it lists here (Documentation/Architecture.md).
// In CI every warning is an error.
let isCI = Context.environment["CI"] != nil
let features: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
] + (isCI ? [.treatAllWarnings(as: .error)] : [])
// Modules without C and without raw pointers.
let safe = features + [.strictMemorySafety()]
let cSettings: [CSetting] = isCI ? [.treatAllWarnings(as: .error)] : []

/// A module in `Sources/FOLDER/NAME`, or in `Sources/NAME` without a folder.
func module(
    _ name: String, in folder: String = "", _ dependencies: [Target.Dependency] = [], exclude: [String] = [],
    settings: [SwiftSetting] = features
) -> Target {
    .target(
        name: name, dependencies: dependencies, path: "Sources/" + (folder.isEmpty ? name : "\(folder)/\(name)"), exclude: exclude,
        swiftSettings: settings)
}

/// A system library in `Sources/System`. Exactly one module imports it.
func system(_ name: String, apt package: String? = nil) -> Target {
    .systemLibrary(name: name, path: "Sources/System/\(name)", providers: package.map { [.apt([$0])] })
}

/// A program that tests run as a process of its own.
func testProgram(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .executableTarget(name: name, dependencies: dependencies, path: "Tests/Programs/\(name)", swiftSettings: features)
}

/// The tests of one module, in `Tests/NAME`. Without optimization they compile in a third of the time; numeric ones need it.
func tests(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = [], isOptimized: Bool = false) -> Target {
    .testTarget(
        name: name, dependencies: dependencies, exclude: exclude, swiftSettings: features + (isOptimized ? [] : [.unsafeFlags(["-Onone"])]))
}

let package = Package(
    name: "slm",
    products: [.executable(name: "slm", targets: ["slm"])],
    targets: [
        // System libraries.
        system("COpenBLAS"),
        system("CLAPACKE"),
        system("COneDNN"),
        system("CVulkan", apt: "libvulkan-dev"),
        system("CPCRE2"),
        system("CXXHash"),
        system("CCurl", apt: "libcurl4-openssl-dev"),
        system("CYAML", apt: "libyaml-dev"),
        system("CSQLite"),
        system("CPQ"),
        system("CSodium", apt: "libsodium-dev"),
        system("CCrypt", apt: "libcrypt-dev"),
        system("CZlib", apt: "zlib1g-dev"),
        system("CNcurses", apt: "libncurses-dev"),
        system("CMPI"),
        .systemLibrary(name: "CLinux", path: "Sources/Platform/Linux/CLinux"),
        .target(name: "CSimdjson", path: "Sources/System/CSimdjson", linkerSettings: [.linkedLibrary("simdjson")]),

        // Support: small modules that know nothing of models.
        module("Random", in: "Support"),
        module("Base64", in: "Support", settings: safe),
        module("Hashing", in: "Support", ["CXXHash"]),
        module("JSON", in: "Support", ["CSimdjson"]),
        // The interpreter of chat templates.
        module("Jinja", in: "Support", ["JSON"], settings: safe),
        module("Files", in: "Support"),
        module("Threads", in: "Support"),
        // What is different on every system.
        module("Platform", ["CLinux", "Files"], exclude: ["Linux/CLinux"]),
        module("Terminal", in: "Support", ["Files"]),
        module("Settings", in: "Support", ["CYAML", "Terminal"]),
        module("SharedLibraries", in: "Support"),
        module("HTTPClient", in: "Support", ["CCurl", "SharedLibraries"]),
        module("HTTPServer", in: "Support", ["Platform", "Threads"]),
        module("Secrets", in: "Support", ["Base64", "JSON", "Files", "CSodium", "CCrypt"]),
        module("Gzip", in: "Support", ["CZlib"]),
        module("SQLite", in: "Support", ["CSQLite"]),

        // Arithmetic on buffers, the worker pool, CPU detection, shaders for GPUs.
        .target(name: "CKernels", path: "Sources/Kernels/C", cSettings: [.headerSearchPath(".")] + cSettings),
        .target(
            name: "CShaders", path: "Sources/Kernels/Shaders", exclude: ["glsl", "make_shaders.sh", "index.txt", "all.spv"],
            cSettings: cSettings),
        module(
            "Kernels",
            ["CKernels", "CShaders", "COpenBLAS", "CLAPACKE", "COneDNN", "CVulkan", "Platform", "Files", "Threads", "SharedLibraries"],
            exclude: ["C", "Shaders"]),

        // Messages between the processes of a run, and sums of gradients over them.
        module("Distributed", ["CMPI", "Kernels", "SharedLibraries", "Threads"]),

        // Tensors, the tape, derivatives; text to token ids and back.
        module("Autograd", ["Kernels"], settings: safe),
        .target(
            name: "CPreTokenize", path: "Sources/Tokenize/C", exclude: ["tables"], cSettings: [.headerSearchPath(".")] + cSettings
        ),
        module("Tokenize", ["CPreTokenize", "CPCRE2", "Base64", "Jinja", "JSON", "Files"], exclude: ["C"]),

        // The GPT; chat files and the token files made from them.
        module("Model", ["Autograd", "Kernels"], settings: safe),
        module("Corpus", ["Tokenize", "Kernels", "Hashing", "JSON", "Files", "Random"], settings: safe),

        // slm's own file format, and those of other programs.
        module("Checkpoint", ["Model", "Tokenize", "Autograd", "Kernels", "Hashing", "JSON", "Files", "Threads"]),
        module("Formats", ["Checkpoint", "Model", "Tokenize", "Autograd", "Kernels", "Hashing", "JSON", "Files", "Gzip"]),

        // Training, inference, the choice of kernels by measurement, training reports, the database.
        module(
            "Train",
            [
                "Formats", "Checkpoint", "Corpus", "Tokenize", "Hashing", "JSON", "Files", "Model", "Autograd", "Distributed", "Kernels",
                "Random",
            ],
            settings: safe),
        module(
            "Infer",
            ["Formats", "Checkpoint", "Tokenize", "Model", "Autograd", "Kernels", "JSON", "Files", "Threads", "HTTPClient", "Random"],
            settings: safe),
        module("Tuning", ["Train", "Model", "Kernels", "Hashing", "JSON", "Files"], settings: safe),
        module("Report", ["JSON", "Files"]),
        module("ChatAnalysis", ["Tokenize"], settings: safe),
        module("Store", ["Base64", "ChatAnalysis", "Gzip", "Secrets", "Threads", "JSON", "Files", "SharedLibraries", "SQLite", "CPQ"]),

        // An index of documents with full-text search, and prompts with its passages.
        module("Documents", ["SQLite", "Kernels", "Files", "Hashing", "JSON", "Gzip", "Platform"], settings: safe),

        // Chat in the terminal; the operator's dashboard in the terminal; the chat server with its web page.
        module("AdminAPI", ["Files", "HTTPClient", "JSON"]),
        module("Dashboard", ["AdminAPI", "CNcurses", "Files", "SharedLibraries", "Terminal", "Threads"]),
        module("Chat", ["Documents", "Infer", "Corpus", "Tokenize", "JSON", "Files", "Terminal"]),
        .target(name: "CWebFiles", path: "Sources/Serve/EmbeddedWeb", cSettings: cSettings),
        module(
            "Serve",
            [
                "Infer", "Store", "ChatAnalysis", "Corpus", "Report", "HTTPClient", "HTTPServer", "Platform", "Secrets", "Gzip", "Threads",
                "Tokenize", "Formats", "Checkpoint", "Kernels", "Hashing", "JSON", "Base64", "Files", "Documents", "Train", "CWebFiles",
            ],
            exclude: ["Web", "EmbeddedWeb"]
        ),

        // The command line.
        .executableTarget(
            name: "slm",
            dependencies: [
                "Serve", "Store", "Threads", "Secrets", "HTTPServer", "HTTPClient", "Chat", "Documents", "AdminAPI", "Dashboard",
                "Terminal", "Report", "Infer", "Train", "Tuning", "Distributed",
                "Formats", "Checkpoint",
                "Corpus", "Tokenize", "Files", "JSON", "Settings", "Model", "Autograd", "Kernels", "Platform", "Random",
            ],
            swiftSettings: features
        ),

        // The generator of data/sample.txt: see data/README.md.
        .executableTarget(name: "sample-chats", path: "Tools/sample-chats", swiftSettings: safe),

        // Test fixtures, and programs that tests start, kill or measure.
        .target(
            name: "TestSupport",
            dependencies: [
                "Infer", "JSON", "Threads", "Random", "Formats", "Checkpoint", "Distributed", "Model", "Tokenize", "Autograd", "Kernels",
                "Hashing", "Files",
            ],
            path: "Tests/TestSupport", swiftSettings: features
        ),
        testProgram("CheckpointWriter", ["TestSupport", "Formats", "Checkpoint", "Model", "Autograd", "Kernels", "JSON"]),
        testProgram("JinjaRender", ["Jinja", "JSON"]),
        testProgram("Logits", ["Infer", "Formats", "Checkpoint", "Model", "Autograd", "Kernels", "Files"]),
        testProgram("Gradients", ["Train", "Checkpoint", "Model", "Autograd", "Kernels", "Files"]),
        .target(name: "ResourceWatch", path: "Tests/Programs/ResourceWatch"),
        // Checkpoint: values of TestSupport contain its types, so that this program is compiled again when they change.
        testProgram("FormatFuzzer", ["ResourceWatch", "TestSupport", "Checkpoint", "Kernels"]),
        testProgram("FolderFuzzer", [
            "ResourceWatch", "TestSupport", "Serve", "Store", "Secrets", "HTTPServer", "Infer", "Formats", "Checkpoint", "Model",
            "Tokenize", "Kernels", "Files", "Threads",
        ]),
        testProgram("StoreWriter", ["Store", "Threads"]),
        testProgram("ServeParts", ["Serve", "Store", "Infer", "Files"]),
        testProgram("IndexProgram", ["Documents", "Files"]),

        // Tests, one target per module.
        tests("KernelsTests", ["TestSupport", "Kernels", "CKernels", "Platform", "Files", "SharedLibraries"], isOptimized: true),
        tests("DistributedTests", ["TestSupport", "Distributed", "Kernels", "Random", "Threads"], isOptimized: true),
        tests("AutogradTests", ["TestSupport", "Autograd", "Kernels", "Files"], isOptimized: true),
        tests("ModelTests", ["TestSupport", "Model", "Autograd", "Kernels"], isOptimized: true),
        tests("Base64Tests", ["TestSupport", "Base64"]),
        tests("JSONTests", ["TestSupport", "JSON"]),
        tests("JinjaTests", ["TestSupport", "Jinja", "JSON", "Files"], exclude: ["golden.jsonl"]),
        tests("SettingsTests", ["TestSupport", "Settings"]),
        tests("FilesTests", ["TestSupport", "Files"]),
        tests("TokenizeTests", ["TestSupport", "Tokenize", "Jinja", "Files"], isOptimized: true),
        tests(
            "CheckpointTests",
            ["CheckpointWriter", "TestSupport", "Formats", "Checkpoint", "Model", "Tokenize", "Autograd", "Kernels", "Files"],
            exclude: ["Files"]),
        tests(
            "FormatsTests",
            ["CheckpointWriter", "TestSupport", "Formats", "Checkpoint", "Model", "Tokenize", "Autograd", "Kernels", "Files", "JSON"],
            isOptimized: true),
        tests("CorpusTests", ["TestSupport", "Corpus", "Tokenize", "Files", "Kernels"], isOptimized: true),
        tests(
            "CommandLineTests",
            ["slm", "TestSupport", "Store", "Infer", "Threads", "Formats", "Checkpoint", "Train", "Model", "Tokenize", "Kernels", "JSON"]),
        tests(
            "TrainTests",
            [
                "TestSupport", "Train", "Checkpoint", "Corpus", "Tokenize", "Files", "Model", "Autograd", "Distributed", "Kernels",
                "Random",
            ]),
        tests(
            "InferTests",
            [
                "TestSupport", "Random", "Infer", "Formats", "Checkpoint", "Tokenize", "Model", "Autograd", "Kernels", "JSON", "Threads",
                "HTTPClient", "Files",
            ],
            isOptimized: true),
        tests("ThreadsTests", ["TestSupport", "Threads"]),
        tests("SharedLibrariesTests", ["SharedLibraries"]),
        tests("HTTPClientTests", ["TestSupport", "HTTPClient"]),
        tests("HTTPServerTests", ["TestSupport", "HTTPServer", "Threads"]),
        tests("TerminalTests", ["TestSupport", "Terminal", "Threads"]),
        tests("DashboardTests", ["TestSupport", "AdminAPI", "Dashboard", "HTTPClient", "JSON", "Files", "Threads"]),
        tests("ChatTests", ["TestSupport", "Chat", "Documents", "Infer", "Corpus", "Tokenize", "Files"]),
        tests("DocumentsTests", ["TestSupport", "Documents", "SQLite", "Gzip", "Tokenize", "Files"]),
        tests("TuningTests", ["TestSupport", "Tuning", "Kernels", "Files"]),
        tests("ReportTests", ["TestSupport", "Report", "JSON", "Files"], isOptimized: true),
        tests("ChatAnalysisTests", ["TestSupport", "ChatAnalysis"]),
        tests("StoreTests", ["StoreWriter", "TestSupport", "Store", "ChatAnalysis", "Gzip", "Secrets", "Threads", "JSON", "Files"]),
        tests("SecretsTests", ["TestSupport", "Secrets", "Files", "JSON"]),
        tests(
            "ServeTests",
            [
                "ServeParts", "IndexProgram", "TestSupport", "Serve", "Infer", "Store", "Secrets", "HTTPServer", "Threads", "Gzip",
                "Corpus", "Tokenize", "Checkpoint", "Kernels", "Base64", "Files", "JSON", "Documents",
            ]
        ),
        tests("RepositoryTests", [], exclude: ["wording.txt"]),
        tests("SampleChatsTests", ["sample-chats", "Files"], isOptimized: true),
    ],
    cLanguageStandard: .gnu11,
    cxxLanguageStandard: .cxx17
)

// ONLY_TESTS="ThreadsTests ServeTests" leaves only these tests and the programs that they start: `make test-races` builds less.
if let names = Context.environment["ONLY_TESTS"]?.split(separator: " ").map(String.init) {
    let kept = package.targets.filter { names.contains($0.name) }.flatMap(\.dependencies).reduce(into: Set(names)) { kept, dependency in
        if case .byNameItem(let name, _) = dependency { kept.insert(name) }
    }
    package.products = []
    package.targets.removeAll { ($0.type == .test || $0.type == .executable) && !kept.contains($0.name) }
}
