import Glibc
import Platform
import Synchronization

/// How a response is written and sent.
extension ClientConnection {
    /// - Returns: Whether the next request can be read.
    func send(_ exchange: Exchange) -> Bool {
        if responding.log?.status == nil {
            guard let response = exchange.takeResponse(orWake: waker) else { return false }
            if state.isStopping.load(ordering: .relaxed) { responding.keepsAlive = false }
            encode(response, isHead: exchange.request.method == "HEAD")
        }
        while true {
            guard write() else {
                if responding.stream?.isDisconnected ?? false { close() }        // it reads too slowly
                return false
            }
            if responding.isComplete { break }
            if !appendStream() { return false }
        }
        end(exchange)
        if responding.keepsAlive, !hasInputEnded { awaitRequest() } else { phase = .closing(lingers: false) }
        return true
    }

    private func awaitRequest() {
        waitingSince = .now
        isReadPaused = false
        phase = .head
    }

    /// Writes the head of a response into `output`, and its body or the beginning of its stream.
    func encode(_ response: Response, isHead: Bool) {
        let mayHaveBody = ![204, 304].contains(response.status.rawValue)
        responding.log?.status = response.status
        responding.isComplete = true
        lastProgress = .now
        var framing = ResponseEncoder.Framing.none
        switch response.body {
        case .bytes(let bytes): if mayHaveBody { framing = .length(bytes.count) }
        case .stream:
            framing = responding.isHTTP10 ? .untilClosed : .chunked
            if responding.isHTTP10 || state.settings.closesAfterStreams { responding.keepsAlive = false }
        }
        let connection = !responding.keepsAlive ? "close" : responding.isHTTP10 ? "keep-alive" : nil
        table.encoder.append(response, framing, connection: connection, to: &output)
        switch response.body {
        case .bytes(let bytes):
            guard mayHaveBody, !isHead else { break }
            output += bytes
            responding.log?.bytes = bytes.count
        case .stream(let stream):
            if isHead { return stream.disconnect() }
            responding.isChunked = !responding.isHTTP10
            responding.isComplete = false
            responding.stream = stream
            state.streams.add(1, ordering: .relaxed)
            table.streaming.insert(id)
            stream.attach(waker)
        }
    }

    /// Adds bytes of the stream to `output`, which is empty.
    ///
    /// - Returns: false if there are none yet, or the connection was closed.
    private func appendStream() -> Bool {
        guard let stream = responding.stream else { return false }
        switch stream.take() {
        case .nothingYet: return false
        case .disconnected:
            close()
            return false
        case .bytes(let bytes):
            responding.log?.bytes += bytes.count
            if responding.isChunked { ResponseEncoder.appendChunk(bytes, to: &output) } else { output = bytes }
        case .finished:
            if responding.isChunked { output += ResponseEncoder.lastChunk }
            responding.isComplete = true
        }
        return true
    }

    /// - Returns: Whether `output` was sent whole.
    func write() -> Bool {
        while sent < output.count {
            let count = output[sent...].withUnsafeBytes { StreamSocket.send($0, to: descriptor) }
            if count < 0 {
                if errno == EINTR { continue }
                if errno != EAGAIN { close() }
                return false
            }
            sent += count
            lastProgress = .now
        }
        output.removeAll(keepingCapacity: output.capacity <= 64 << 10)
        sent = 0
        return true
    }

    /// - Returns: Whether the phase has changed.
    func sendLast(_ lingers: Bool) -> Bool {
        guard write() else { return false }
        endLog()
        if responding.keepsAlive, !hasInputEnded {
            awaitRequest()
            return true
        }
        guard lingers, !hasInputEnded else {
            close()
            return true
        }
        shutdown(descriptor, Int32(SHUT_WR))
        input = []
        consumed = 0
        isReadPaused = false
        waitingSince = .now
        phase = .lingering
        arm()
        return true
    }

    /// Ends an exchange: its response is sent, or the connection is closed.
    func end(_ exchange: Exchange) {
        if let stream = responding.stream {
            responding.stream = nil
            state.streams.subtract(1, ordering: .relaxed)
            table.streaming.remove(id)
            if !responding.isComplete || sent < output.count { responding.log?.isDisconnected = true }
            stream.disconnect()
        } else if responding.log?.status == nil || sent < output.count {
            responding.log?.isDisconnected = true
        }
        exchange.finish()
        exchange.request.releaseBody()
        endLog(arrived: exchange.arrived)
        state.requestsInFlight.subtract(1, ordering: .relaxed)
    }

    /// Reports the end of a response, once.
    func endLog(arrived: ContinuousClock.Instant? = nil) {
        guard let entry = responding.log else { return }
        responding.log = nil
        if entry.status == nil, arrived == nil { return }                    // the request was never complete
        state.settings.onCompletion(entry.completed(arrived: arrived, address))
    }
}
