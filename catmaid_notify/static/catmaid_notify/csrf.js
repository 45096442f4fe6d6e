/**
 * Return Django's CSRF token, or "" where there is none. The cookie comes first: unlike what the page was rendered with, it
 * follows a login in another tab. Sites that hide it from scripts (`CSRF_USE_SESSIONS`) hand a token in.
 */
export function csrfToken({ csrfCookie, csrfToken: token }, document) {
    for (const part of (document?.cookie ?? "").split(";")) {
        const [name, ...value] = part.trim().split("=");
        if (name === csrfCookie) {
            return decodeURIComponent(value.join("="));
        }
    }
    return token;
}
