import Kernels
import Autograd
import Model
import Train
let p = try Processor(threads: nil)
let precision: DataType = CommandLine.arguments.contains("f32") ? .float32 : .bfloat16
let micro = Int(CommandLine.arguments.last!) ?? 3
var list = ParameterList()
let model = GPT(.eugpt, in: &list)
let clock = ContinuousClock()
var t0 = clock.now
let parameters = try Parameters(list, on: p, seed: 1)
print("init", clock.now - t0, parameters.count)
let tape = Tape(p, parameters: parameters, precision: precision)
var opt = AdamW(for: parameters, on: p)
let B = 12, T = 384
let rows = B / micro
for step in 0..<6 {
  if step == 3 { p.profile = Profile() }
  let t0 = clock.now
  var loss: Float = 0
  for m in 0..<micro {
    tape.reset()
    let ids = (0..<rows*T).map { Int32(($0 &* 7919 &+ m &* 13) % 16387) }
    let l = model.loss(of: tape.ids(ids, [rows, T]), predicting: tape.ids(ids.map{($0*31+7)%16387}, [rows, T]), count: B*T, on: tape)
    loss += l.scalar
    tape.backward(from: l)
  }
  let norm = opt.update(rate: 3e-4, clippingTo: 1)
  let d = (clock.now - t0).components
  let s = Double(d.seconds) + Double(d.attoseconds)*1e-18
  print(step, loss, norm, "tok/s", Double(B*T)/s, "peak", CPU.peakMemory >> 20, "MB arena", p.arena.capacity >> 20, p.arena.growths)
}
if let e = p.profile?.entries {
  let total = e.values.reduce(0) { $0 + $1.seconds }
  for (n, v) in e.sorted(by: { $0.value.seconds > $1.value.seconds }) {
    print(n, Int(v.seconds * 1000 / 3), "ms", Int(100 * v.seconds / total), "%", Int(v.flops / v.seconds * 1e-9), "GFLOP/s", Int(v.bytes / v.seconds * 1e-9), "GB/s")
  }
}
