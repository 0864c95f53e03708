/** What is used of jose: a bundle that loads the package whole when it is first asked for holds all of it. */
export { jwtVerify, SignJWT } from 'jose'
