// Jest runs the sources as ES modules; @swc/jest only strips the types.
export default {
  testEnvironment: 'node',
  roots: [
    '<rootDir>/core',
    '<rootDir>/store',
    '<rootDir>/lambdas',
    '<rootDir>/node-agent',
    '<rootDir>/cli',
    '<rootDir>/infra',
    '<rootDir>/test'
  ],
  setupFiles: ['<rootDir>/test/setup.ts'],
  testMatch: ['**/*.test.ts'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '\\.ts$': [
      '@swc/jest',
      {
        jsc: { parser: { syntax: 'typescript' }, target: 'es2024', experimental: { keepImportAttributes: true } },
        module: { type: 'es6' }
      }
    ]
  },
  testTimeout: 20_000
}
