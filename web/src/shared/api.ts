/** Calls of a signed-in client: token, proof, one refresh when the token has run out. */
import { ProblemError, send, type SendOptions } from './http'
import { accessToken, refreshSession } from './session'

export { ProblemError, UnreachableError, send } from './http'

/** As `send`, with the session's token; a 401 is answered by one refresh and one more try. */
export async function call<T = void>(method: string, path: string, options: Omit<SendOptions, 'token'> = {}): Promise<T> {
  const token = await accessToken()
  try {
    return await send<T>(method, path, { ...options, token })
  } catch (problem) {
    if (!(problem instanceof ProblemError) || problem.status !== 401) throw problem
    const { access_token } = await refreshSession()
    return await send<T>(method, path, { ...options, token: access_token })
  }
}

export const get = <T>(path: string, query?: SendOptions['query']) => call<T>('GET', path, { query })

/** A POST; `idempotencyKey` makes a repeat of the same wish harmless. */
export const post = <T = void>(path: string, body: unknown = {}, idempotencyKey?: string) =>
  call<T>('POST', path, { body, idempotencyKey })

export const patch = <T = void>(path: string, body: unknown) => call<T>('PATCH', path, { body })
export const remove = (path: string) => call('DELETE', path)

export const newIdempotencyKey = (): string => crypto.randomUUID()
