import Checkpoint
// What stands for Python's objects.
extension Unpickler {
    func named(module: String, name: String) throws(LayoutFault) -> PickleGlobal {
        guard let global = PickleGlobal(module: module, name: name) else {
            throw fault("only dictionaries, numbers, texts and tensors", "\(Value.text("\(module).\(name)").shown), which is nothing that a model needs")
        }
        return global
    }

    mutating func result(of function: PickleValue, _ arguments: PickleValue, makesObject: Bool) throws(LayoutFault) -> PickleValue {
        guard case .tuple(let place) = arguments, case .global(let global) = function else { throw fault("a name and a tuple", "\(function.shown) and \(arguments.shown)") }
        let arguments = pickle.nodes[place]
        switch global {
        case .orderedDictionary where arguments.isEmpty: return .dictionary(node([]))
        case .record where arguments.isEmpty && makesObject: return .record(node([]))
        case .rebuildTensor where !makesObject && (6...7).contains(arguments.count): return .tensor(try tensor(arguments))
        case .rebuildParameter where !makesObject && arguments.count == 3:
            guard case .tensor(let tensor) = arguments[0] else { throw fault("a parameter's tensor", arguments[0].shown) }
            return .tensor(tensor)
        default: throw fault("an object as PyTorch makes it", "\(arguments.count) arguments of another")
        }
    }

    /// Fills a record. What a dictionary has beside its elements, such as the versions of a model's layers, is left out.
    mutating func build() throws(LayoutFault) {
        let state = try pop()
        switch (try addable("an object"), state) {
        case (.dictionary, .dictionary): break
        case (.record(let node), .dictionary) where pickle.nodes[node].isEmpty: pickle.nodes[node] = [state]
        case (let object, _): throw fault("an object and a dictionary of its values", "\(object.shown) and \(state.shown)")
        }
    }

    func storage(_ id: PickleValue) throws(LayoutFault) -> TorchStorage {
        guard case .tuple(let node) = id, pickle.nodes[node].count == 5, case .text("storage") = pickle.nodes[node][0],
              case .global(.storage(let type)) = pickle.nodes[node][1], case .text(let key) = pickle.nodes[node][2],
              case .integer(let count) = pickle.nodes[node][4] else { throw fault("('storage', type, key, device, count)", id.shown) }
        guard let bytes = storages[key] else { throw fault("the storage \(Value.text(key).shown) in the archive", "none") }
        guard bytes % type.size == 0, count == bytes / type.size else {
            throw fault("a storage \(Value.text(key).shown) of \(bytes) bytes, as in the archive", "\(count) elements of \(type.size) bytes")
        }
        return TorchStorage(key: key, type: type, count: count)
    }

    /// storage, offset, sizes, strides, whether it learns, hooks
    private func tensor(_ arguments: [PickleValue]) throws(LayoutFault) -> TorchTensor {
        guard case .storage(let storage) = arguments[0], case .integer(let offset) = arguments[1] else { throw fault("a tensor's storage and offset", arguments[0].shown) }
        let sizes = try integers(arguments[2]), strides = try integers(arguments[3])
        guard let tensor = TorchTensor(storage, offset: offset, sizes: sizes, strides: strides) else {
            throw fault("a tensor within its storage of \(storage.count) elements", "sizes \(sizes), strides \(strides) from \(offset)")
        }
        return tensor
    }

    private func integers(_ value: PickleValue) throws(LayoutFault) -> [Int] {
        guard case .tuple(let node) = value, pickle.nodes[node].count <= TorchTensor.mostDimensions else { throw fault("at most \(TorchTensor.mostDimensions) sizes", value.shown) }
        var result: [Int] = []
        for value in pickle.nodes[node] {
            guard case .integer(let number) = value else { throw fault("a size", value.shown) }
            result.append(number)
        }
        return result
    }
}
