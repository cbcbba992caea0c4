import Checkpoint

// Python objects.
extension Unpickler {
    func global(module: String, name: String) throws(ParseError) -> PickleGlobal {
        guard let global = PickleGlobal(module: module, name: name) else {
            let found = "\("\(module).\(name)".quoted), which slm does not load"
            throw error("only dictionaries, numbers, strings and tensors", found)
        }
        return global
    }

    /// The result of calling a known function, or of creating an object (`isConstructor`).
    mutating func result(of function: PickleValue, _ arguments: PickleValue, isConstructor: Bool) throws(ParseError) -> PickleValue {
        guard case .tuple(let node) = arguments, case .global(let global) = function else {
            throw error("a function and a tuple", "\(function.displayText) and \(arguments.displayText)")
        }
        let arguments = pickle.nodes[node]
        switch global {
        case .orderedDictionary where arguments.isEmpty: return .dictionary(self.node([]))
        case .configurationClass where arguments.isEmpty && isConstructor: return .object(self.node([]))
        case .rebuildTensor where !isConstructor && (6...7).contains(arguments.count): return .tensor(try tensor(arguments))
        case .rebuildParameter where !isConstructor && arguments.count == 3:
            guard case .tensor(let tensor) = arguments[0] else { throw error("a parameter's tensor", arguments[0].displayText) }
            return .tensor(tensor)
        default: throw error("a call that PyTorch writes", "another function with \(arguments.count) arguments")
        }
    }

    /// Sets the attributes of an object. Attributes of a dictionary, such as a state_dict's `_metadata`, are ignored.
    mutating func build() throws(ParseError) {
        let state = try pop()
        switch (try target("an object"), state) {
        case (.dictionary, .dictionary): break
        case (.object(let node), .dictionary) where pickle.nodes[node].isEmpty: pickle.nodes[node] = [state]
        case (let object, _):
            throw error("an object and a dictionary of its attributes", "\(object.displayText) and \(state.displayText)")
        }
    }

    func storage(_ id: PickleValue) throws(ParseError) -> TorchStorage {
        guard case .tuple(let node) = id, pickle.nodes[node].count == 5, case .text("storage") = pickle.nodes[node][0],
              case .global(.storage(let type)) = pickle.nodes[node][1], case .text(let key) = pickle.nodes[node][2],
              case .integer(let count) = pickle.nodes[node][4] else {
            throw error("('storage', type, key, device, count)", id.displayText)
        }
        guard let bytes = storages[key] else { throw error("the storage \(key.quoted) in the archive", "none") }
        guard bytes % type.size == 0, count == bytes / type.size else {
            let found = "\(count) elements of \(type.size) bytes"
            throw error("a storage \(key.quoted) of \(bytes) bytes, as in the archive", found)
        }
        return TorchStorage(key: key, type: type, count: count)
    }

    /// Arguments: storage, offset, sizes, strides, requires_grad, hooks, and optionally metadata.
    private func tensor(_ arguments: [PickleValue]) throws(ParseError) -> TorchTensor {
        guard case .storage(let storage) = arguments[0], case .integer(let offset) = arguments[1] else {
            throw error("a tensor's storage and offset", arguments[0].displayText)
        }
        let sizes = try integers(arguments[2]), strides = try integers(arguments[3])
        guard let tensor = TorchTensor(storage, offset: offset, sizes: sizes, strides: strides) else {
            let found = "sizes \(sizes), strides \(strides) from \(offset)"
            throw error("a tensor within its storage of \(storage.count) elements", found)
        }
        return tensor
    }

    private func integers(_ value: PickleValue) throws(ParseError) -> [Int] {
        guard case .tuple(let node) = value, pickle.nodes[node].count <= TorchTensor.maximumRank else {
            throw error("at most \(TorchTensor.maximumRank) sizes", value.displayText)
        }
        var result: [Int] = []
        for value in pickle.nodes[node] {
            guard case .integer(let number) = value else { throw error("a size", value.displayText) }
            result.append(number)
        }
        return result
    }
}
