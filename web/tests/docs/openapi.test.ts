import { describe, expect, it } from 'vitest'
import { byTag, curlOf, exampleOf, fieldsOf, matches, operationsOf, typeName, type Spec } from '../../src/docs/openapi'

const spec: Spec = {
  openapi: '3.1.0',
  info: { title: 'Gatehouse', version: '1' },
  tags: [{ name: 'Doors' }, { name: 'Sign-in' }],
  paths: {
    '/api/v1/sign-in/codes': {
      post: {
        summary: 'Ask for a code',
        tags: ['Sign-in'],
        operationId: 'request_code',
        'x-audience': 'public',
        responses: { '202': {} },
      },
    },
    '/api/v1/doors/{door_id}/openings': {
      post: {
        summary: 'Open a door',
        tags: ['Doors'],
        operationId: 'open_door',
        'x-audience': 'resident',
        parameters: [
          { name: 'door_id', in: 'path', required: true, schema: { type: 'string' } },
          { name: 'Idempotency-Key', in: 'header', required: true, schema: { type: 'string' } },
        ],
        requestBody: { content: { 'application/json': { schema: { $ref: '#/components/schemas/OpeningIn' } } } },
        responses: {
          '201': { description: 'ok', content: { 'application/json': { schema: { $ref: '#/components/schemas/OpeningOut' } } } },
          '403': { description: 'Not allowed', content: { 'application/problem+json': { schema: {} } } },
        },
      },
    },
  },
  components: {
    schemas: {
      OpeningIn: {
        type: 'object',
        properties: { call_id: { anyOf: [{ type: 'string', maxLength: 64 }, { type: 'null' }], default: null } },
      },
      OpeningOut: {
        type: 'object',
        required: ['door', 'state'],
        properties: {
          door: { $ref: '#/components/schemas/Ref' },
          state: { enum: ['commanded', 'opened'] },
          at: { type: 'string', format: 'date-time' },
          doors: { type: 'array', items: { $ref: '#/components/schemas/Ref' } },
        },
      },
      Ref: { type: 'object', required: ['id'], properties: { id: { type: 'string' } } },
      Loop: { type: 'object', properties: { again: { $ref: '#/components/schemas/Loop' } } },
    },
  },
}
const open = operationsOf(spec).find((one) => one.id === 'open_door')!
const schema = (name: string) => ({ $ref: `#/components/schemas/${name}` })

describe('the document as the page reads it', () => {
  it('keeps the order of its tags and parts answers from errors', () => {
    expect(byTag(spec, operationsOf(spec)).map((one) => one.tag)).toEqual(['Doors', 'Sign-in'])
    expect(open.audience).toBe('resident')
    expect(open.answers.map((one) => one.status)).toEqual(['201'])
    expect(open.errors.map((one) => one.status)).toEqual(['403'])
  })

  it('names types as a reader would', () => {
    expect(typeName(spec, { anyOf: [{ type: 'string' }, { type: 'null' }] })).toBe('string | null')
    expect(typeName(spec, { type: 'array', items: schema('Ref') })).toBe('object[]')
    expect(typeName(spec, { enum: ['a', 'b'] })).toBe('"a" | "b"')
    expect(typeName(spec, { type: 'string', format: 'date-time' })).toBe('string (date-time)')
  })

  it('lists nested members after their parent, and ends in a loop', () => {
    const fields = fieldsOf(spec, schema('OpeningOut'))
    expect(fields.map((one) => [one.name, one.depth, one.required])).toEqual([
      ['door', 0, true],
      ['id', 1, true],
      ['state', 0, true],
      ['at', 0, false],
      ['doors', 0, false],
      ['id', 1, true],
    ])
    expect(fieldsOf(spec, schema('Loop')).length).toBeLessThan(10)
    expect(fieldsOf(spec, schema('OpeningIn'))[0]!.about).toBe('0…64 characters')
  })

  it('makes an example of every shape', () => {
    expect(exampleOf(spec, schema('OpeningOut'))).toMatchObject({ state: 'commanded', doors: [{ id: expect.any(String) }] })
    expect(exampleOf(spec, { type: 'string', pattern: '^[0-9]{6}$' }, 'code')).toBe('123456')
    expect(() => JSON.stringify(exampleOf(spec, schema('Loop')))).not.toThrow()
  })

  it('writes a curl line with the headers the caller needs', () => {
    const line = curlOf(spec, open, 'http://localhost')
    expect(line).toContain('curl -X POST "http://localhost/api/v1/doors/$DOOR_ID/openings"')
    for (const part of ['Authorization: DPoP', 'DPoP: $PROOF', 'Idempotency-Key', 'call_id']) expect(line).toContain(part)
    expect(curlOf(spec, operationsOf(spec)[0]!, '')).not.toContain('DPoP')
  })

  it('finds by path, summary or field, all words together', () => {
    expect(matches(spec, open, 'OPEN door')).toBe(true)
    expect(matches(spec, open, 'call_id')).toBe(true)
    expect(matches(spec, open, 'open lease')).toBe(false)
    expect(matches(spec, open, '  ')).toBe(true)
  })
})
