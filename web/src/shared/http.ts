/** One HTTP exchange with the service: DPoP proof, problem+json, and one more try when only our clock was wrong. */
import { clientId } from './client'
import { noteServerTime } from './clock'
import { proofFor } from './keys'

export interface Problem {
  type: string
  title: string
  status: number
  detail?: string
  [member: string]: unknown
}

/** The service said no, and why. `slug` is the last part of the problem's type: `call-already-answered`. */
export class ProblemError extends Error {
  readonly slug: string
  constructor(readonly problem: Problem) {
    super(problem.detail ?? problem.title)
    this.name = 'ProblemError'
    this.slug = problem.type.split('/').pop() ?? 'unknown'
  }
  get status(): number {
    return this.problem.status
  }
}

/** The service could not be reached, or did not answer in time. */
export class UnreachableError extends Error {
  constructor(cause?: unknown) {
    super('unreachable', { cause })
    this.name = 'UnreachableError'
  }
}

export interface SendOptions {
  body?: unknown
  query?: Record<string, string | number | undefined>
  token?: string
  /** false: a public call that carries no proof. */
  proof?: boolean
  idempotencyKey?: string
  timeoutMs?: number
}

export const API = '/api/v1'

async function once(method: string, path: string, options: SendOptions): Promise<Response> {
  const headers: Record<string, string> = { accept: 'application/json, application/problem+json', 'x-client': clientId }
  if (options.body !== undefined) headers['content-type'] = 'application/json'
  if (options.idempotencyKey) headers['idempotency-key'] = options.idempotencyKey
  if (options.token) headers.authorization = `DPoP ${options.token}`
  if (options.proof !== false) headers.dpop = await proofFor(method, API + path, options.token)
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(options.query ?? {})) if (value !== undefined) query.set(name, String(value))
  const suffix = query.size ? `?${query}` : ''
  try {
    return await fetch(API + path + suffix, {
      method,
      headers,
      body: options.body === undefined ? undefined : JSON.stringify(options.body),
      credentials: 'same-origin',
      cache: 'no-store',
      signal: AbortSignal.timeout(options.timeoutMs ?? 15_000),
    })
  } catch (problem) {
    throw new UnreachableError(problem)
  }
}

async function problemOf(response: Response): Promise<Problem> {
  try {
    const body = (await response.json()) as Problem
    if (typeof body?.type === 'string') return { ...body, status: body.status ?? response.status, title: body.title ?? '' }
  } catch {
    // Not a document of ours (a proxy's page): fall through to a plain one.
  }
  return { type: '/problems/http', title: response.statusText || 'HTTP error', status: response.status }
}

/**
 * Sends one request below /api/v1.
 *
 * @throws ProblemError when the service refuses, UnreachableError when it cannot be heard.
 */
export async function send<T = void>(method: string, path: string, options: SendOptions = {}): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    const response = await once(method, path, options)
    if (response.ok) {
      if (response.status === 204) return undefined as T
      return (await response.json()) as T
    }
    const problem = await problemOf(response)
    const error = new ProblemError(problem)
    if (error.slug === 'proof-expired' && typeof problem.server_time === 'string' && attempt === 0) {
      noteServerTime(problem.server_time)
      continue
    }
    // A proxy that has lost the service answers for it; to the reader that is the same as silence.
    if (response.status >= 502 && response.status <= 504 && error.slug === 'http') throw new UnreachableError(error)
    throw error
  }
}
