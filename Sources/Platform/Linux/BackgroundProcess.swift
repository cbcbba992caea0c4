import CLinux
package import Files
import Glibc
import Synchronization

/// A program that runs beside this one and survives it.
///
///     let run = try BackgroundProcess(
///         "/proc/self/exe", ["finetune", …], environment: [:], output: "output.log", holding: lock)
///     run.isRunning
///     run.send(SIGINT)
///
/// It has a process group of its own, so that Ctrl-C in the terminal of this program does not reach it. It stays in the session: a new one
/// would have a group of the scheduler (autogroup) of its own, against whose weight a low priority does not count.
package struct BackgroundProcess: Sendable, Equatable {
    package let id: Int32
    /// When the system started it, in clock ticks since the boot: later, another process may have the same id.
    package let startTicks: Int

    /// The descriptor of the lock in the new process.
    private static let lockDescriptor: Int32 = 3

    package init(id: Int32, startTicks: Int) {
        self.id = id
        self.startTicks = startTicks
    }

    /// Starts a program.
    ///
    /// - Parameters:
    ///   - output: A file to which standard output and standard error are appended. Unlike a pipe, it outlives this program.
    ///   - lock: The program inherits it, so that it is held until the program ends.
    ///   - memory: The bytes of heap, stacks and private mappings that the program and each that it starts may have: an allocation beyond
    ///     fails. nil for no limit.
    package init(
        _ program: String, _ arguments: [String], environment: [String: String], output: String, holding lock: borrowing FileLock,
        memory: Int? = nil
    ) throws(FileError) {
        let log = open(output, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o644)
        guard log >= 0 else { throw .writing(output, after: nil) }
        defer { close(log) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, log, 1)
        posix_spawn_file_actions_adddup2(&actions, log, 2)
        posix_spawn_file_actions_adddup2(&actions, lock.descriptor, Self.lockDescriptor)
        slm_spawn_close_from(&actions, Self.lockDescriptor + 1)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // This program may ignore signals, or block them in the calling thread: both would be inherited.
        var none = sigset_t(), all = sigset_t()
        sigemptyset(&none)
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))
        var words = ([program] + arguments).map { strdup($0) } + [nil]
        var variables = environment.map { strdup("\($0)=\($1)") } + [nil]
        defer { for text in words + variables { free(text) } }
        var id: pid_t = 0
        let status = posix_spawn(&id, program, &actions, &attributes, &words, &variables)
        guard status == 0 else { throw .unreadable(path: program, reason: String(cString: strerror(status))) }
        if let memory { _ = slm_limit_memory(id, UInt64(memory)) }            // fails if it has ended, or may not raise a lower limit
        self.id = id
        // It cannot have been reaped yet, so it has an entry.
        startTicks = Self.status(of: id)?.startTicks ?? 0
        Self.reap(id)
    }

    /// How processes that this one started have ended, by id, until the ending is taken.
    private static let endings = Mutex<[Int32: Int32]>([:])

    /// Waits for the end of a process on a thread of its own, so that it leaves no zombie when its ending is never taken.
    private static func reap(_ id: Int32) {
        endings.withLock { $0[id] = nil }
        let argument = UnsafeMutablePointer<Int32>.allocate(capacity: 1)
        argument.initialize(to: id)
        var thread = pthread_t()
        let error = pthread_create(&thread, nil, { argument in
            guard let argument else { return nil }
            let id = argument.load(as: Int32.self)
            argument.deallocate()
            var info = siginfo_t()
            while waitid(P_PID, id_t(id), &info, WEXITED | WNOWAIT) != 0 { if errno != EINTR { return nil } }
            BackgroundProcess.endings.withLock { endings in
                var status: Int32 = 0
                if waitpid(id, &status, WNOHANG) == id { endings[id] = status }
            }
            return nil
        }, argument)
        if error == 0 { pthread_detach(thread) } else { argument.deallocate() }
    }

    /// Whether it runs. A process that has ended but was not waited for does not.
    package var isRunning: Bool {
        guard let status = Self.status(of: id), status.startTicks == startTicks else { return false }
        return status.state != "Z" && status.state != "X"
    }

    /// Sends a signal, unless the process has ended.
    @discardableResult
    package func send(_ signal: Int32) -> Bool { isRunning && kill(id, signal) == 0 }

    package enum Ending: Sendable, Equatable { case status(Int32), signal(Int32) }

    /// How a process that this one started has ended. nil if it runs, or if another process started it. Asks the system, which forgets the
    /// answer.
    package func takeEnding() -> Ending? {
        let found = Self.endings.withLock { endings -> Int32? in
            if let status = endings.removeValue(forKey: id) { return status }
            var status: Int32 = 0
            return waitpid(id, &status, WNOHANG) == id ? status : nil
        }
        guard let status = found else { return nil }
        let signal = status & 0x7f
        return signal == 0 ? .status((status >> 8) & 0xff) : .signal(signal)
    }

    /// Waits until a process that this one started has ended. Kills it after `time`, or when `isCancelled` says so.
    ///
    /// - Returns: nil if it was killed.
    package func end(within time: Duration, unless isCancelled: () -> Bool = { false }) -> Ending? {
        let end = ContinuousClock.now + time
        while ContinuousClock.now < end, !isCancelled() {
            if let ending = takeEnding() { return ending }
            usleep(2_000)
        }
        send(SIGKILL)
        while takeEnding() == nil { usleep(1_000) }
        return nil
    }

    /// The process that has inherited a lock; nil if there is none, or if it is not visible here, as in another container.
    package static func holder(of lock: String) -> BackgroundProcess? {
        var file = stat()
        guard stat(lock, &file) == 0 else { return nil }
        for name in Folder.names(in: "/proc") ?? [] {
            guard let id = pid_t(name) else { continue }
            var open = stat()
            guard stat("/proc/\(id)/fd/\(lockDescriptor)", &open) == 0, open.st_ino == file.st_ino, open.st_dev == file.st_dev,
                  id != getpid(), let status = status(of: id) else { continue }
            return BackgroundProcess(id: id, startTicks: status.startTicks)
        }
        return nil
    }

    private static func status(of id: Int32) -> (state: Substring, startTicks: Int)? {
        guard let bytes = try? InputFile.contents(of: "/proc/\(id)/stat") else { return nil }
        // The name in parentheses may contain spaces and parentheses; the fields after it do not.
        let text = String(decoding: bytes, as: UTF8.self)
        guard let end = text.lastIndex(of: ")") else { return nil }
        let fields = text[text.index(after: end)...].split(separator: " ")
        guard fields.count > 19, let ticks = Int(fields[19]) else { return nil }
        return (fields[0], ticks)
    }
}

/// The priority of this process.
package enum ProcessPriority {
    /// Computes and reads only when no other process wants to. Call it before there are other threads, which inherit it.
    package static func lower() {
        _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 19)
        slm_use_idle_priority()
    }
}

/// The name of this machine; nil if it has none.
package func machineName() -> String? {
    var name = [CChar](repeating: 0, count: 256)
    guard gethostname(&name, name.count - 1) == 0, name[0] != 0 else { return nil }
    return String(decoding: name.prefix { $0 != 0 }.map { UInt8(truncatingIfNeeded: $0) }, as: UTF8.self)
}
