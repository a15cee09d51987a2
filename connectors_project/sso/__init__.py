"""Single sign-on by OpenID Connect: an app that is installed only where OIDC_ISSUER is set."""
