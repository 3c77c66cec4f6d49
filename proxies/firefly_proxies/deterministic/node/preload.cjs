// Loaded by every Node of a deterministic sandbox before anything else: the same random numbers, and a clock that stands.
'use strict'

const seed = process.env.FIREFLY_DETERMINISTIC
// Package runners share their cache with others: theirs must stay unique.
const runner = /[\\/](?:npm|npx|pnpm|pnpx|yarn|corepack)(?:-cli)?(?:\.[cm]?js)?$/.test(process.argv[1] || '')

if (seed && !runner) {
  const crypto = require('node:crypto')
  const createHash = crypto.createHash
  let drawn = 0

  const bytes = (size) => {
    const blocks = []
    for (let length = 0; length < size; length += 32) {
      blocks.push(createHash('sha256').update(`${seed}:${drawn++}`).digest())
    }
    return Buffer.concat(blocks).subarray(0, size)
  }
  const fill = (into, offset = 0, size) => {
    const whole = ArrayBuffer.isView(into) ? Buffer.from(into.buffer, into.byteOffset, into.byteLength) : Buffer.from(into)
    const end = size === undefined ? whole.length : offset + size
    bytes(end - offset).copy(whole, offset)
    return into
  }
  const fraction = () => bytes(8).readBigUInt64LE() >> 11n
  const random = () => Number(fraction()) / 2 ** 53
  const randomUUID = () => {
    const of = bytes(16)
    of[6] = (of[6] & 0x0f) | 0x40
    of[8] = (of[8] & 0x3f) | 0x80
    return of.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
  }
  const told = (value, call) => (call ? void process.nextTick(call, null, value) : value)

  crypto.randomBytes = (size, call) => told(Buffer.from(bytes(size)), call)
  crypto.pseudoRandomBytes = crypto.randomBytes
  crypto.randomFillSync = fill
  crypto.randomFill = (into, ...rest) => told(fill(into, ...rest.slice(0, -1)), rest.at(-1))
  crypto.randomUUID = randomUUID
  crypto.randomInt = (low, high, call) => {
    if (high === undefined || typeof high === 'function') [low, high, call] = [0, low, high]
    return told(low + Math.floor(random() * (high - low)), call)
  }
  for (const web of new Set([globalThis.crypto, crypto.webcrypto])) {
    if (!web) continue
    Object.defineProperty(web, 'getRandomValues', { value: (into) => fill(into), configurable: true })
    Object.defineProperty(web, 'randomUUID', { value: randomUUID, configurable: true })
  }
  Math.random = random

  const Real = Date
  const noon = Math.floor(Real.now() / 86_400_000) * 86_400_000 + 43_200_000
  const still = new Proxy(Real, {
    construct: (target, given, asked) =>
      Reflect.construct(target, given.length ? given : [noon], asked === still ? target : asked),
    apply: () => new Real(noon).toString(),
    get: (target, name) => (name === 'now' ? () => noon : Reflect.get(target, name)),
  })
  Real.prototype.constructor = still
  globalThis.Date = still

  require('node:module').syncBuiltinESMExports()
}
