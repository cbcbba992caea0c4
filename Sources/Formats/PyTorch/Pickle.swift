import Checkpoint

/// What a pickle holds. Containers are numbers of nodes, so that what is shared is there once, and nothing is ever walked through in depth.
enum PickleValue {
    case none, boolean(Bool), integer(Int), number(Double), text(String)
    case tuple(Int), list(Int), dictionary(Int)
    /// An object that only has values, such as nanoGPT's GPTConfig. Its node holds nothing, or the dictionary of its values.
    case record(Int)
    indirect case tensor(TorchTensor)                          // elsewhere, so that every value is small
    indirect case storage(TorchStorage)
    case global(PickleGlobal)
}

/// What a file may name of Python. Nothing here is run: a name only tells what the numbers beside it mean.
enum PickleGlobal {
    case orderedDictionary, rebuildTensor, rebuildParameter, record
    case storage(TorchType)

    init?(module: String, name: String) {
        switch (module, name) {
        case ("collections", "OrderedDict"): self = .orderedDictionary
        case ("torch._utils", "_rebuild_tensor_v2"): self = .rebuildTensor
        case ("torch._utils", "_rebuild_parameter"): self = .rebuildParameter
        // The class of a model's arguments, in whatever file of a project it is.
        case (_, "GPTConfig"): self = .record
        case ("torch", _):
            guard let type = TorchType.allCases.first(where: { $0.rawValue == name }) else { return nil }
            self = .storage(type)
        default: return nil
        }
    }
}

/// A pickle that was read.
///
///     let pickle = try Unpickler.read(bytes)
///     if case .integer(let step)? = pickle["iter_num", in: pickle.root] { … }
struct Pickle {
    var root = PickleValue.none
    /// Elements of tuples and lists; keys and values of dictionaries, by turns.
    var nodes: [[PickleValue]] = []

    /// Those of a dictionary or a record, in their order; nil for anything else.
    func pairs(of value: PickleValue) -> [(key: PickleValue, value: PickleValue)]? {
        switch value {
        case .dictionary(let node):
            let items = nodes[node]
            return stride(from: 0, to: items.count, by: 2).map { (items[$0], items[$0 + 1]) }
        case .record(let node):
            guard case .dictionary(let values)? = nodes[node].first else { return [] }
            return pairs(of: .dictionary(values))
        default: return nil
        }
    }

    /// What a dictionary holds under a text; the last of several, as in Python.
    subscript(key: String, in value: PickleValue) -> PickleValue? {
        pairs(of: value)?.last { if case .text(key) = $0.key { true } else { false } }?.value
    }
}

extension PickleValue {
    /// As a message calls it.
    var shown: String {
        switch self {
        case .none: "None"
        case .boolean(let value): value ? "True" : "False"
        case .integer(let value): "\(value)"
        case .number(let value): "\(value)"
        case .text(let text): Value.text(String(text.prefix(80))).shown
        case .tuple: "a tuple"
        case .list: "a list"
        case .dictionary: "a dictionary"
        case .record: "a GPTConfig"
        case .tensor(let tensor): "a tensor \(tensor.sizes)"
        case .storage: "a storage"
        case .global: "a function or class"
        }
    }
}
