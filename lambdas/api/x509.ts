/**
 * The library for X.509. It needs `reflect-metadata` to be there first, which a bundle that is split into files keeps only
 * where one module asks for both: nobody else imports either. Takes a tenth of a second to load.
 */
import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import * as x509 from '@peculiar/x509'

x509.cryptoProvider.set('nodejs', webcrypto)

export { x509 }
