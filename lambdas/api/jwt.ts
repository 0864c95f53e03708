import { jwtVerify, SignJWT } from 'jose'

/** What is used of jose: a bundle that loads the package whole when it is first asked for holds all of it. */
export const jwt = { jwtVerify, SignJWT }
