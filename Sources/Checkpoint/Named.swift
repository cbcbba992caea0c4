/// Things by name, in the order in which they were added.
///
///     checkpoint.training["step"] = 2_000
///     checkpoint.weights["layer0.qkv.weight"]?.shape          // [1536, 512]
///     for (name, value) in checkpoint.metrics { … }
///
/// A name is a path: `/` makes a folder, which h5py shows as a group. No part of it may be empty, `.`, or hold a control character.
package struct Named<Element> {
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

extension Named: Sequence {
    package func makeIterator() -> AnyIterator<(name: String, element: Element)> {
        var names = names.makeIterator()
        return AnyIterator { names.next().flatMap { name in elements[name].map { (name, $0) } } }
    }
}

extension Named: ExpressibleByDictionaryLiteral {
    package init(dictionaryLiteral pairs: (String, Element)...) { for (name, element) in pairs { self[name] = element } }
}

extension Named: Sendable where Element: Sendable {}

extension Named: Equatable where Element: Equatable {
    package static func == (a: Named, b: Named) -> Bool { a.names == b.names && a.elements == b.elements }
}
