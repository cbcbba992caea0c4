/// A dictionary with string keys that keeps the order in which they were added.
///
///     checkpoint.training["step"] = 2_000
///     checkpoint.weights["layer0.qkv.weight"]?.shape          // [1536, 512]
///     for (name, value) in checkpoint.metrics { … }
///
/// In a checkpoint, a key is a path: `/` separates groups, as h5py shows them (see ``ArrayName``).
package struct OrderedDictionary<Element> {
    package private(set) var names: [String] = []
    private var elements: [String: Element] = [:]

    package init() {}

    package subscript(name: String) -> Element? {
        get { elements[name] }
        set {
            if let newValue {
                if elements.updateValue(newValue, forKey: name) == nil { names.append(name) }
            } else if elements.removeValue(forKey: name) != nil {
                names.removeAll { $0 == name }
            }
        }
    }

    package var count: Int { names.count }
}

extension OrderedDictionary: Sequence {
    package func makeIterator() -> AnyIterator<(name: String, element: Element)> {
        var names = names.makeIterator()
        return AnyIterator { names.next().flatMap { name in elements[name].map { (name, $0) } } }
    }
}

extension OrderedDictionary: ExpressibleByDictionaryLiteral {
    package init(dictionaryLiteral pairs: (String, Element)...) { for (name, element) in pairs { self[name] = element } }
}

extension OrderedDictionary: Sendable where Element: Sendable {}

extension OrderedDictionary: Equatable where Element: Equatable {}
