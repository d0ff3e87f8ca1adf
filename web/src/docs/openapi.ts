/** Reads an OpenAPI 3.1 document into what the page shows: operations by tag, fields of a schema, examples, a curl line. */

export interface Schema {
  $ref?: string
  type?: string | string[]
  format?: string
  title?: string
  description?: string
  enum?: unknown[]
  const?: unknown
  default?: unknown
  pattern?: string
  minimum?: number
  maximum?: number
  minLength?: number
  maxLength?: number
  minItems?: number
  maxItems?: number
  properties?: Record<string, Schema>
  required?: string[]
  items?: Schema
  anyOf?: Schema[]
  oneOf?: Schema[]
  allOf?: Schema[]
  additionalProperties?: boolean | Schema
  example?: unknown
  examples?: unknown[]
}

interface Media {
  schema?: Schema
  example?: unknown
}

interface RawOperation {
  summary?: string
  description?: string
  operationId?: string
  tags?: string[]
  security?: unknown[]
  parameters?: Parameter[]
  requestBody?: { content?: Record<string, Media>; required?: boolean }
  responses?: Record<string, { description?: string; content?: Record<string, Media> }>
  'x-audience'?: string
}

export interface Parameter {
  name: string
  in: 'path' | 'query' | 'header' | 'cookie'
  required?: boolean
  description?: string
  schema?: Schema
}

export interface Spec {
  openapi: string
  info: { title: string; version: string; description?: string }
  tags?: { name: string; description?: string }[]
  paths: Record<string, Record<string, RawOperation>>
  components?: { schemas?: Record<string, Schema> }
}

export interface Answer {
  status: string
  description: string
  media: string | null
  schema: Schema | null
}

export interface Operation {
  id: string
  method: string
  path: string
  tag: string
  summary: string
  audience: 'public' | 'signed_in' | 'resident' | 'administrator' | null
  parameters: Parameter[]
  body: Schema | null
  answers: Answer[]
  errors: Answer[]
}

export interface Field {
  name: string
  depth: number
  type: string
  required: boolean
  about: string
}

const METHODS = ['get', 'post', 'put', 'patch', 'delete']
const AUDIENCES = ['public', 'signed_in', 'resident', 'administrator']

export function operationsOf(spec: Spec): Operation[] {
  const found: Operation[] = []
  for (const [path, item] of Object.entries(spec.paths)) {
    for (const [method, raw] of Object.entries(item)) {
      if (METHODS.includes(method)) found.push(operation(path, method, raw))
    }
  }
  return found
}

function operation(path: string, method: string, raw: RawOperation): Operation {
  const answers = Object.entries(raw.responses ?? {}).map(([status, response]): Answer => {
    const [media = null, content] = Object.entries(response.content ?? {})[0] ?? []
    return { status, description: response.description ?? '', media, schema: content?.schema ?? null }
  })
  const audience = raw['x-audience'] ?? ''
  return {
    id: raw.operationId ?? `${method}-${path}`.replace(/\W+/g, '-'),
    method,
    path,
    tag: raw.tags?.[0] ?? '',
    summary: raw.summary ?? '',
    audience: AUDIENCES.includes(audience) ? (audience as Operation['audience']) : null,
    parameters: raw.parameters ?? [],
    body: Object.values(raw.requestBody?.content ?? {})[0]?.schema ?? null,
    answers: answers.filter((one) => /^[123]/.test(one.status)),
    errors: answers.filter((one) => !/^[123]/.test(one.status)),
  }
}

/** Tags in the order of the document, each with its operations; tags nobody declared come last. */
export function byTag(spec: Spec, operations: Operation[]): { tag: string; operations: Operation[] }[] {
  const order = [...new Set([...(spec.tags ?? []).map((one) => one.name), ...operations.map((one) => one.tag)])]
  return order
    .map((tag) => ({ tag, operations: operations.filter((one) => one.tag === tag) }))
    .filter((one) => one.operations.length > 0)
}

/** Every word must stand somewhere: in the path, the method, the summary, a field or the operation's name. */
export function matches(spec: Spec, one: Operation, query: string): boolean {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean)
  if (words.length === 0) return true
  const names = [one.body, ...one.answers.map((answer) => answer.schema)].flatMap((schema) =>
    fieldsOf(spec, schema).map((field) => field.name),
  )
  const text = [one.method, one.path, one.summary, one.tag, one.id, ...one.parameters.map((part) => part.name), ...names]
    .join(' ')
    .toLowerCase()
  return words.every((word) => text.includes(word))
}

export function resolve(spec: Spec, schema: Schema): Schema {
  let current = schema
  for (let hops = 0; current.$ref && hops < 10; hops += 1) {
    const target = spec.components?.schemas?.[current.$ref.replace('#/components/schemas/', '')]
    if (!target) return {}
    current = target
  }
  return current
}

interface Plain {
  schema: Schema
  nullable: boolean
}

/** The one real shape of `X | null`. */
function plain(spec: Spec, schema: Schema): Plain {
  const here = resolve(spec, schema)
  const choices = here.anyOf ?? here.oneOf
  if (!choices) {
    const types = Array.isArray(here.type) ? here.type : null
    return types
      ? { schema: { ...here, type: types.find((type) => type !== 'null') }, nullable: types.includes('null') }
      : { schema: here, nullable: false }
  }
  const real = choices.filter((one) => one.type !== 'null')
  if (real.length === 1 && real[0])
    return {
      schema: { ...here, anyOf: undefined, oneOf: undefined, ...resolve(spec, real[0]) },
      nullable: real.length < choices.length,
    }
  return { schema: here, nullable: real.length < choices.length }
}

export function typeName(spec: Spec, schema: Schema): string {
  const { schema: shape, nullable } = plain(spec, schema)
  const suffix = nullable ? ' | null' : ''
  if (shape.enum) return shape.enum.map((one) => JSON.stringify(one)).join(' | ') + suffix
  if (shape.const !== undefined) return JSON.stringify(shape.const) + suffix
  const choices = shape.anyOf ?? shape.oneOf
  if (choices)
    return (
      choices
        .filter((one) => one.type !== 'null')
        .map((one) => typeName(spec, one))
        .join(' | ') + suffix
    )
  if (shape.type === 'array') return `${shape.items ? typeName(spec, shape.items) : 'any'}[]${suffix}`
  if (shape.properties || shape.type === 'object') return `object${suffix}`
  return `${(shape.type as string | undefined) ?? 'any'}${shape.format ? ` (${shape.format})` : ''}${suffix}`
}

function aboutOf(shape: Schema): string {
  const parts: string[] = []
  if (shape.description) parts.push(shape.description)
  if (shape.pattern) parts.push(`/${shape.pattern}/`)
  const range = (from: number | undefined, to: number | undefined, unit: string): void => {
    if (from !== undefined || to !== undefined) parts.push(`${from ?? 0}…${to ?? '∞'}${unit}`)
  }
  range(shape.minimum, shape.maximum, '')
  range(shape.minLength, shape.maxLength, ' characters')
  range(shape.minItems, shape.maxItems, ' items')
  if (shape.default !== undefined && shape.default !== null) parts.push(`= ${JSON.stringify(shape.default)}`)
  return parts.join(' · ')
}

/** The members of a schema, nested ones after their parent; three levels are enough for every shape here. */
export function fieldsOf(spec: Spec, schema: Schema | null, depth = 0): Field[] {
  if (schema === null || depth > 3) return []
  const { schema: shape } = plain(spec, schema)
  if (shape.type === 'array' && shape.items) return fieldsOf(spec, shape.items, depth)
  return Object.entries(shape.properties ?? {}).flatMap(([name, member]): Field[] => {
    const field = {
      name,
      depth,
      type: typeName(spec, member),
      required: shape.required?.includes(name) ?? false,
      about: aboutOf(plain(spec, member).schema),
    }
    return [field, ...fieldsOf(spec, member, depth + 1)]
  })
}

const BY_NAME: Record<string, unknown> = {
  phone: '13800000000',
  code: '12345678',
  room: '1201',
  rooms: ['101', '102'],
  number: '3',
  password: 'a long sentence only you know',
  timezone: 'Asia/Shanghai',
  status: 422,
  qr_svg: '<svg …>',
  limit: 30,
  language: 'zh',
}

/** A value that could stand there, for reading: the document's own example, else one by name, else by type. */
export function exampleOf(spec: Spec, schema: Schema | null, name = '', depth = 0): unknown {
  if (schema === null || depth > 4) return null
  const { schema: shape } = plain(spec, schema)
  if (shape.example !== undefined) return shape.example
  if (shape.examples?.[0] !== undefined) return shape.examples[0]
  if (shape.const !== undefined) return shape.const
  if (shape.enum) return shape.enum[0]
  if (shape.properties) {
    return Object.fromEntries(
      Object.entries(shape.properties).map(([key, member]) => [key, exampleOf(spec, member, key, depth + 1)]),
    )
  }
  const known = BY_NAME[name]
  if (known !== undefined && Array.isArray(known) === (shape.type === 'array') && fits(shape, known)) return known
  switch (shape.type) {
    case 'array':
      return shape.items ? [exampleOf(spec, shape.items, name.replace(/s$/, ''), depth + 1)] : []
    case 'integer':
    case 'number':
      return shape.default ?? shape.minimum ?? 1
    case 'boolean':
      return true
    case 'string':
      return text(shape, name)
    case 'object':
      return {}
    default:
      return null
  }
}

function fits(shape: Schema, value: unknown): boolean {
  if (Array.isArray(value)) return true
  if (shape.type === 'string') return typeof value === 'string' && (!shape.pattern || new RegExp(shape.pattern).test(value))
  return typeof value === shape.type || (shape.type === 'integer' && typeof value === 'number')
}

function text(shape: Schema, name: string): string {
  if (shape.format === 'date-time') return '2026-11-22T08:00:00.000Z'
  if (shape.pattern?.includes('{6}')) return '123456'
  if (name === 'id' || name.endsWith('_id')) return '0192f3a47c5e7d10b2c3d4e5f6071829'
  if (/url|link/.test(name)) return 'https://…'
  if (name.includes('name')) return '…'
  return '…'
}

export const pretty = (value: unknown): string => JSON.stringify(value, null, 2)

/** The call as a shell command; signed-in calls need the two headers of RFC 9449. */
export function curlOf(spec: Spec, one: Operation, origin: string): string {
  const url = origin + one.path.replace(/\{(\w+)\}/g, (_, name: string) => `$${name.toUpperCase()}`)
  const query = one.parameters.filter((part) => part.in === 'query' && part.required).map((part) => `${part.name}=…`)
  const lines = [`curl -X ${one.method.toUpperCase()} "${url}${query.length ? `?${query.join('&')}` : ''}"`]
  if (one.audience !== null && one.audience !== 'public') {
    lines.push('-H "Authorization: DPoP $ACCESS_TOKEN"', '-H "DPoP: $PROOF"')
  }
  if (one.parameters.some((part) => part.name === 'Idempotency-Key')) lines.push('-H "Idempotency-Key: $(uuidgen)"')
  if (one.body) {
    const body = JSON.stringify(exampleOf(spec, one.body)).replace(/'/g, `'\\''`)
    lines.push('-H "Content-Type: application/json"', `-d '${body}'`)
  }
  return lines.join(' \\\n  ')
}
