/// Stops the program with a sentence on standard error unless `condition` holds: for our own mistakes, such as shapes that do not fit.
///
/// `precondition` would stop a release build without a word. The sentence is put together only when it is needed.
@inlinable
package func require(_ condition: @autoclosure () -> Bool, _ message: @autoclosure () -> String,
                     file: StaticString = #fileID, line: UInt = #line) {
    guard condition() else { fatalError(message(), file: file, line: line) }
}
