/// A binary heap: a priority queue whose first element is the smallest.
struct MinHeap<Element: Comparable> {
    private var elements: [Element] = []

    mutating func removeAll() { elements.removeAll(keepingCapacity: true) }

    mutating func push(_ element: Element) {
        elements.append(element)
        var i = elements.count - 1
        while i > 0 {
            let parent = (i - 1) / 2
            if !(element < elements[parent]) { break }
            elements[i] = elements[parent]
            i = parent
        }
        elements[i] = element
    }

    mutating func pop() -> Element? {
        guard let top = elements.first, let last = elements.popLast() else { return nil }
        if elements.isEmpty { return top }
        var i = 0
        while 2 * i + 1 < elements.count {
            var child = 2 * i + 1
            if child + 1 < elements.count, elements[child + 1] < elements[child] { child += 1 }
            if !(elements[child] < last) { break }
            elements[i] = elements[child]
            i = child
        }
        elements[i] = last
        return top
    }
}
