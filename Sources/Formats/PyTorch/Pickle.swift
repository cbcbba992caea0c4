import Checkpoint

/// A value of a pickle. Containers are indices of nodes: a shared container exists once, and no code recurses through nested ones.
enum PickleValue {
    case none, boolean(Bool), integer(Int), number(Double), text(String)
    case tuple(Int), list(Int), dictionary(Int)
    /// An object with attributes, such as nanoGPT's GPTConfig. Its node is empty, or holds the dictionary of its attributes.
    case object(Int)
    indirect case tensor(TorchTensor)                          // indirect, to keep every value small
    indirect case storage(TorchStorage)
    case global(PickleGlobal)
}

/// The Python functions and classes that a pickle may name. None of them is called: a name only says how to interpret its arguments.
enum PickleGlobal {
    case orderedDictionary, rebuildTensor, rebuildParameter, configurationClass
    case storage(TorchType)

    init?(module: String, name: String) {
        switch (module, name) {
        case ("collections", "OrderedDict"): self = .orderedDictionary
        case ("torch._utils", "_rebuild_tensor_v2"): self = .rebuildTensor
        case ("torch._utils", "_rebuild_parameter"): self = .rebuildParameter
        // nanoGPT's class of hyperparameters, in any module.
        case (_, "GPTConfig"): self = .configurationClass
        case ("torch", _):
            guard let type = TorchType.allCases.first(where: { $0.rawValue == name }) else { return nil }
            self = .storage(type)
        default: return nil
        }
    }
}

/// A decoded pickle.
///
///     let pickle = try Unpickler.read(bytes)
///     if case .integer(let step)? = pickle["iter_num", in: pickle.root] { … }
struct Pickle {
    var root = PickleValue.none
    /// The elements of tuples and lists; alternating keys and values of dictionaries.
    var nodes: [[PickleValue]] = []

    /// The key-value pairs of a dictionary, or the attributes of an object, in order; nil for anything else.
    func pairs(of value: PickleValue) -> [(key: PickleValue, value: PickleValue)]? {
        switch value {
        case .dictionary(let node):
            let items = nodes[node]
            return stride(from: 0, to: items.count, by: 2).map { (items[$0], items[$0 + 1]) }
        case .object(let node):
            guard case .dictionary(let attributes)? = nodes[node].first else { return [] }
            return pairs(of: .dictionary(attributes))
        default: return nil
        }
    }

    /// The value under a string key. As in Python, the last duplicate counts.
    subscript(key: String, in value: PickleValue) -> PickleValue? {
        pairs(of: value)?.last { if case .text(key) = $0.key { true } else { false } }?.value
    }
}

extension PickleValue {
    /// The value in messages.
    var displayText: String {
        switch self {
        case .none: "None"
        case .boolean(let value): value ? "True" : "False"
        case .integer(let value): "\(value)"
        case .number(let value): "\(value)"
        case .text(let text): String(text.prefix(80)).quoted
        case .tuple: "a tuple"
        case .list: "a list"
        case .dictionary: "a dictionary"
        case .object: "a GPTConfig"
        case .tensor(let tensor): "a tensor \(tensor.sizes)"
        case .storage: "a storage"
        case .global: "a function or class"
        }
    }
}
